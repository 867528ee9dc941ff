//! Text from outside, in one line.

use std::fmt::{self, Write};

/// Shows a text without what would start another line or turn its direction, since a log has one line for each event.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Cleaned(f), "{}", self.0)
    }
}

struct Cleaned<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Cleaned<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| self.0.write_char(if breaks_the_line(char) { ' ' } else { char }))
    }
}

fn breaks_the_line(char: char) -> bool {
    let turns = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') || turns
}
