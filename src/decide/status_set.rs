//! A set of HTTP statuses.

use std::ops::RangeInclusive;

use http::StatusCode;

/// A set of HTTP statuses from 100 to 599.
///
/// ```
/// use http::StatusCode;
/// use reqwest_safe_retry::StatusSet;
///
/// let retryable = StatusSet::of(&[408, 429]).with(500..=599).without(&[501]);
/// assert!(retryable.contains(StatusCode::BAD_GATEWAY));
/// assert!(!retryable.contains(StatusCode::NOT_IMPLEMENTED));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct StatusSet([u128; 5]);

impl StatusSet {
    /// The statuses that HTTP and common practice call transient: 408, 425, 429, 500, 502, 503, 504.
    pub const DEFAULT: Self = Self::of(&[408, 425, 429, 500, 502, 503, 504]);

    /// The set of these statuses. Numbers outside 100 to 599 are left out.
    pub const fn of(statuses: &[u16]) -> Self {
        Self([0; 5]).set_all(statuses, true)
    }

    /// The set with all of `range` in it.
    pub const fn with(mut self, range: RangeInclusive<u16>) -> Self {
        let (mut status, last) = (*range.start(), *range.end());
        while status <= last && status < 600 {
            self = self.set(status, true);
            status += 1;
        }
        self
    }

    /// The set without these statuses.
    pub const fn without(self, statuses: &[u16]) -> Self {
        self.set_all(statuses, false)
    }

    /// Whether `status` is in the set.
    pub const fn contains(&self, status: StatusCode) -> bool {
        match Self::position(status.as_u16()) {
            Some((word, bit)) => self.0[word] & bit != 0,
            None => false,
        }
    }

    /// The statuses in it, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<> {
        let set = *self;
        (100..600).filter(move |status| Self::position(*status).is_some_and(|(word, bit)| set.0[word] & bit != 0))
    }

    const fn set_all(mut self, statuses: &[u16], present: bool) -> Self {
        let mut index = 0;
        while index < statuses.len() {
            self = self.set(statuses[index], present);
            index += 1;
        }
        self
    }

    const fn set(mut self, status: u16, present: bool) -> Self {
        if let Some((word, bit)) = Self::position(status) {
            self.0[word] = if present { self.0[word] | bit } else { self.0[word] & !bit };
        }
        self
    }

    /// One word for each hundred; 100 statuses fit into its 128 bits.
    const fn position(status: u16) -> Option<(usize, u128)> {
        if status < 100 || status > 599 {
            return None;
        }
        Some((status as usize / 100 - 1, 1 << (status % 100)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_holds_what_was_put_in() {
        // 408 is given twice, and 404 is removed from a set that does not have it.
        let set = StatusSet::of(&[99, 100, 408, 408, 600]).with(500..=u16::MAX).without(&[404, 501, 505]);
        let held: Vec<u16> = (100..1000).filter(|s| set.contains(StatusCode::from_u16(*s).unwrap())).collect();
        let expected: Vec<u16> =
            [100, 408].into_iter().chain((500..=599).filter(|s| ![501, 505].contains(s))).collect();
        assert_eq!(held, expected);
        assert!(set.iter().eq(expected));
    }
}
