//! Carrying out a call and counting what it costs.

use std::{
    alloc::System,
    future::Future,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll},
};

use reqwest_middleware::ClientWithMiddleware;
use reqwest_safe_retry::Error;
use serde::Deserialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::runtime::Runtime;

use crate::{
    canned::{self, Case},
    common::{Chain, Template, Verb, callgrind},
};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one call costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) chain: Chain,
    pub(crate) case: Case,
    pub(crate) verb: Verb,
    /// Missing where valgrind is.
    pub(crate) instructions: Option<u64>,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
}

/// Calls that are counted together, for one client each: what a call has done to a client must not change the next.
const CALLS: u64 = 8;

/// Calls before them that are not counted. Few, since each that fails lowers the layer's concurrency limit.
const WARM_UP: u64 = 3;

/// How often something was allocated, and how much.
#[derive(Clone, Copy, Default)]
pub(crate) struct Allocated {
    times: usize,
    bytes: usize,
}

impl Allocated {
    fn so_far() -> Self {
        let stats = COUNTING.stats();
        Self { times: stats.allocations + stats.reallocations, bytes: stats.bytes_allocated }
    }

    fn add_since(&mut self, before: Self) {
        let now = Self::so_far();
        self.times += now.times - before.times;
        self.bytes += now.bytes - before.bytes;
    }
}

/// A future of which nothing but the polls is counted: neither the runtime around it nor its timers.
struct Counted<'a, F> {
    call: Pin<Box<F>>,
    allocated: &'a mut Allocated,
}

impl<F: Future<Output = ()>> Future for Counted<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let before = Allocated::so_far();
        let poll = measured(self.call.as_mut(), context);
        self.allocated.add_since(before);
        poll
    }
}

/// callgrind counts between entry and exit of the function of this name.
#[inline(never)]
fn measured(call: Pin<&mut dyn Future<Output = ()>>, context: &mut Context<'_>) -> Poll<()> {
    black_box(call.poll(context))
}

/// A call as a user writes it, down to the use of an error's body.
async fn call(client: &ClientWithMiddleware, template: &Template, chain: Chain, case: Case) {
    match client.execute(template.request()).await {
        Ok(response) if response.status() == 404 => {
            let body = response.bytes().await.unwrap_or_default();
            assert!(serde_json::from_slice::<Naive>(&body).is_ok_and(|error| !error.message.is_empty()));
        }
        Ok(response) if response.status() == 200 => drop(response),
        // The others are compared with two calls, of which one fails.
        Ok(response) => assert!(matches!(chain, Chain::Floor | Chain::Empty | Chain::Tracing), "{response:?}"),
        Err(error) => assert!(case == Case::NotFound && Error::find(&error).is_some_and(Error::is_not_found)),
    }
}

#[derive(Deserialize)]
struct Naive {
    message: String,
}

/// Whether the chain leaves a failed attempt to its caller, who calls again.
fn calls_twice(chain: Chain, case: Case) -> bool {
    let repeats = matches!(chain, Chain::Retry | Chain::SafeRetry);
    !repeats && matches!(case, Case::UnavailableOk | Case::ThrottledOk)
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime")
}

/// Carries out the calls that are counted; the answer is what all of them have allocated.
pub(crate) fn carry_out(chain: Chain, case: Case, verb: Verb) -> Allocated {
    let (runtime, template) = (runtime(), Template::of(verb, canned::HOST));
    let mut allocated = Allocated::default();
    for _ in 0..CALLS {
        let client = runtime.block_on(async { canned::client(chain, case) });
        let once = || async {
            call(&client, &template, chain, case).await;
            if calls_twice(chain, case) {
                call(&client, &template, chain, case).await;
            }
        };
        let counted = Box::pin(once());
        // The first are not counted: what they find missing the next have, in the allocator too.
        for _ in 0..WARM_UP {
            runtime.block_on(once());
        }
        runtime.block_on(Counted { call: counted, allocated: &mut allocated });
    }
    allocated
}

/// The instructions of one call, by running this binary again under callgrind.
fn instructions(chain: Chain, case: Case, verb: Verb) -> Option<u64> {
    let of_the_call = ["--toggle-collect=*measure*measured*"];
    Some(callgrind(&of_the_call, &[chain.name(), case.name(), verb.name()])? / CALLS)
}

pub(crate) fn measure(chain: Chain, case: Case, verb: Verb) -> Cost {
    // What is made once in a process is made before.
    carry_out(chain, case, verb);
    let allocated = carry_out(chain, case, verb);
    Cost {
        chain,
        case,
        verb,
        instructions: instructions(chain, case, verb),
        allocations: allocated.times as u64 / CALLS,
        bytes: allocated.bytes as u64 / CALLS,
    }
}
