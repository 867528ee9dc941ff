//! Instructions of the client for one call over a real connection, by callgrind where valgrind is installed.

use crate::{
    common::{Chain, Template, Verb, callgrind},
    load,
};

pub(crate) struct Instructions {
    pub(crate) chain: Chain,
    pub(crate) verb: Verb,
    /// Missing where valgrind is.
    pub(crate) each: Option<u64>,
}

const AT_ONCE: usize = 64;
/// What both have in common is the start of the program.
const CALLS: [usize; 2] = [640, 1_920];

pub(crate) fn compare(base_url: &str) -> Vec<Instructions> {
    let pairs = Verb::ALL.iter().flat_map(|verb| Chain::ALL.iter().map(move |chain| (*chain, *verb)));
    let counted = pairs.map(|(chain, verb)| {
        let [few, many] = CALLS.map(|calls| count(chain, verb, base_url, calls));
        let each = few.zip(many).map(|(few, many)| many.saturating_sub(few) / (CALLS[1] - CALLS[0]) as u64);
        Instructions { chain, verb, each }
    });
    counted.collect()
}

pub(crate) fn carry_out(chain: Chain, verb: Verb, base_url: &str, calls: usize) {
    let runtime = load::runtime();
    let client = runtime.block_on(async { load::client(chain, base_url) });
    load::carry_out(&runtime, &client, &Template::of(verb, base_url), AT_ONCE, calls);
}

fn count(chain: Chain, verb: Verb, base_url: &str, calls: usize) -> Option<u64> {
    callgrind(&[], &[chain.name(), verb.name(), base_url, &calls.to_string()])
}
