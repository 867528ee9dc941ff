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

/// Which calls are counted together.
struct Rounds {
    clients: u64,
    /// Calls of each client before those that are counted.
    warm_up: u64,
    counted: u64,
}

impl Rounds {
    const fn of(case: Case) -> Self {
        match case {
            Case::OkWarm => Self { clients: 1, warm_up: 1, counted: 99 },
            // A client for each, since what a call has done to a client must not change the next. Few before them, since each
            // that fails lowers the layer's concurrency limit.
            _ => Self { clients: 8, warm_up: 3, counted: 1 },
        }
    }

    const fn calls(&self) -> u64 {
        self.clients * self.counted
    }
}

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
        Err(error) => {
            let error = Error::find(&error).expect("the layer's error");
            assert!(is_not_found(case) && error.is_not_found() && !error.message().is_empty());
        }
    }
}

fn is_not_found(case: Case) -> bool {
    matches!(case, Case::NotFound | Case::NotFoundTenHeaders)
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

/// Carries out the calls that are counted; the answer is what all of them have allocated.
pub(crate) fn carry_out(chain: Chain, case: Case, verb: Verb) -> Allocated {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let templates: Vec<_> = case.hosts().iter().map(|host| Template::of(verb, host)).collect();
    let _listener = case.listener();
    let mut allocated = Allocated::default();
    let rounds = Rounds::of(case);
    for _ in 0..rounds.clients {
        let client = runtime.block_on(async { canned::client(chain, case) });
        let once = || async {
            for template in &templates {
                call(&client, template, chain, case).await;
            }
            if calls_twice(chain, case) {
                call(&client, &templates[0], chain, case).await;
            }
        };
        let counted: Vec<_> = (0..rounds.counted).map(|_| Box::pin(once())).collect();
        // The first are not counted: what they find missing the next have, in the allocator too.
        for _ in 0..rounds.warm_up {
            runtime.block_on(once());
        }
        for call in counted {
            runtime.block_on(Counted { call, allocated: &mut allocated });
        }
    }
    allocated
}

/// The instructions of one call, by running this binary again under callgrind.
fn instructions(chain: Chain, case: Case, verb: Verb) -> Option<u64> {
    let of_the_call = ["--toggle-collect=*measure*measured*"];
    Some(callgrind(&of_the_call, &[chain.name(), case.name(), verb.name()])? / Rounds::of(case).calls())
}

pub(crate) fn measure(chain: Chain, case: Case, verb: Verb) -> Cost {
    // What is made once in a process is made before.
    carry_out(chain, case, verb);
    let (allocated, calls) = (carry_out(chain, case, verb), Rounds::of(case).calls());
    Cost {
        chain,
        case,
        verb,
        instructions: instructions(chain, case, verb),
        allocations: allocated.times as u64 / calls,
        bytes: allocated.bytes as u64 / calls,
    }
}
