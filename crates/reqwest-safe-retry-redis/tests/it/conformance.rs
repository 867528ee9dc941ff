//! The script gives the same shares as the rules in Rust, for random histories of reports.

use std::time::Duration;

use fastrand::Rng;
use redis::{FromRedisValue, Script, Value};
use reqwest_safe_retry::{InMemorySharedLimit, LimitReport, LimitShare, SharedLimit};
use tokio::time::Instant;

use crate::support::redis_server::RedisServer;

#[allow(dead_code)]
#[path = "../../src/protocol.rs"]
mod protocol;

const HISTORIES: u64 = 200;
const REPORTS: usize = 300;

/// A report, and when it comes.
type Step = (Duration, LimitReport);

/// What the service does for a while.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Accepts,
    RefusesSome,
    RefusesAll,
    IsAway,
    NobodyCalls,
}

fn history(seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let (processes, lasting) = (rng.u64(1..12), *rng.choice(&[8, 15, 150]).unwrap());
    let (mut at, mut phase) = (Duration::ZERO, Phase::Accepts);
    let mut step = |_| {
        at += gap(&mut rng);
        if rng.u8(..lasting) == 0 {
            phase = *rng
                .choice(&[Phase::Accepts, Phase::RefusesSome, Phase::RefusesAll, Phase::IsAway, Phase::NobodyCalls])
                .unwrap();
        }
        (at, report(&mut rng, seed % 3 == 0, processes, phase))
    };
    (0..REPORTS).map(&mut step).collect()
}

/// Reports come in a flow, with pauses after which something is forgotten.
fn gap(rng: &mut Rng) -> Duration {
    match rng.u8(..200) {
        0 => Duration::from_millis(rng.u64(10_000..15_000)),
        1 | 2 => Duration::from_millis(rng.u64(2_000..4_000)),
        3..=6 => Duration::from_millis(rng.u64(400..700)),
        7..=40 => Duration::ZERO,
        _ => Duration::from_micros(rng.u64(..80_000)),
    }
}

fn report(rng: &mut Rng, has_shares: bool, processes: u64, phase: Phase) -> LimitReport {
    let mut report = LimitReport::new("limit", rng.u64(..processes).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let ago = |rng: &mut Rng| Some(Duration::from_micros(rng.u64(..150_000)));
    report.rate = if has_shares { rng.f64() * 500.0 } else { 0.0 };
    report.round_trip = Duration::from_micros(rng.u64(..300_000));
    report.waiting = if rng.u8(..4) == 0 { 0 } else { rng.usize(..5_000) };
    (report.accepted, report.refused, report.unavailable) = match phase {
        Phase::Accepts => (rng.u32(..200), 0, 0),
        Phase::RefusesSome => (rng.u32(..100), rng.u32(..30), 0),
        Phase::RefusesAll => (0, rng.u32(..30), 0),
        Phase::IsAway => (0, rng.u32(..2), rng.u32(..20)),
        Phase::NobodyCalls => (0, 0, 0),
    };
    if matches!(phase, Phase::NobodyCalls) {
        report.waiting = 0;
    }
    report.last_accepted = if report.accepted > 0 { ago(rng) } else { None };
    report.last_refused = if report.refused + report.unavailable > 0 { ago(rng) } else { None };
    report.pause = (report.refused > 0 && rng.u8(..5) == 0).then(|| Duration::from_millis(rng.u64(..3_000)));
    report
}

/// In memory; with the milliseconds of the store's clock at each report.
async fn shares_in_rust(history: &[Step]) -> Vec<(f64, LimitShare)> {
    let store = InMemorySharedLimit::default();
    let began = Instant::now();
    let mut shares = Vec::new();
    for (at, report) in history {
        tokio::time::advance(*at - began.elapsed()).await;
        let now = began.elapsed().as_secs_f64() * 1000.0 + 1.0;
        shares.push((now, store.publish(std::slice::from_ref(report)).await.unwrap().remove(0)));
    }
    shares
}

/// The script with a clock of the test's.
fn script() -> Script {
    let clock = |line: &&str| line.starts_with("local now = ");
    assert_eq!(protocol::SCRIPT.lines().filter(clock).count(), 1);
    let with_argument = |line| if clock(&line) { "local now = tonumber(ARGV[11])" } else { line };
    Script::new(&protocol::SCRIPT.lines().map(with_argument).collect::<Vec<_>>().join("\n"))
}

fn shares_in_redis(
    redis: &mut redis::Connection,
    script: &Script,
    key: &str,
    history: &[Step],
    times: impl Iterator<Item = f64>,
) -> Vec<LimitShare> {
    let mut pipeline = redis::pipe();
    for ((_, report), now) in history.iter().zip(times) {
        let mut command = protocol::by_digest(script, key, report);
        command.arg(format!("{now:e}"));
        pipeline.add_command(command);
    }
    let answers: Vec<Value> = pipeline.query(redis).unwrap();
    answers.into_iter().map(|answer| protocol::share(answer).unwrap()).collect()
}

fn is_same(one: &LimitShare, other: &LimitShare) -> bool {
    // Powers of two may differ in the last digit.
    let close = |one: f64, other: f64| (one - other).abs() <= 1e-9 * one.abs().max(1e-3);
    let same = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => close(one, other),
        (one, other) => one == other,
    };
    let pause = |share: &LimitShare| share.pause.map(|pause| pause.as_secs_f64());
    same(one.rate, other.rate)
        && same(pause(one), pause(other))
        && (one.growing, one.closed, one.probe) == (other.growing, other.closed, other.probe)
        && one.next_report == other.next_report
}

/// What has been seen in the histories, so that they do not leave anything out.
#[derive(Debug, Default)]
struct Seen {
    unlimited: usize,
    growing: usize,
    limited: usize,
    closed: usize,
    probes: usize,
    pauses: usize,
}

impl Seen {
    fn add(&mut self, share: &LimitShare) {
        self.unlimited += usize::from(share.rate.is_none());
        self.growing += usize::from(share.growing);
        self.limited += usize::from(share.rate.is_some_and(|rate| rate > 0.0) && !share.growing);
        self.closed += usize::from(share.closed);
        self.probes += usize::from(share.probe);
        self.pauses += usize::from(share.pause.is_some());
    }
}

#[test]
fn script_agrees_with_rust() {
    let Some(server) = RedisServer::start("script_agrees_with_rust") else { return };
    let histories: Vec<_> = (0..HISTORIES).map(history).collect();
    // On a clock that stands still, and without a socket.
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let in_rust: Vec<_> = histories.iter().map(|history| runtime().block_on(shares_in_rust(history))).collect();
    let (mut redis, script, mut seen) = (server.client(), script(), Seen::default());
    script.prepare_invoke().load(&mut redis).unwrap();
    for (seed, (history, in_rust)) in histories.iter().zip(&in_rust).enumerate() {
        let times = in_rust.iter().map(|(now, _)| *now);
        let in_redis = shares_in_redis(&mut redis, &script, &format!("limit{seed}"), history, times);
        for (number, (redis, (now, rust))) in in_redis.iter().zip(in_rust).enumerate() {
            let report = &history[number].1;
            assert!(is_same(redis, rust), "history {seed}, report {number} at {now}: {report:?}\n{redis:?}\n{rust:?}");
            seen.add(rust);
        }
    }
    eprintln!("{seen:?}");
    let Seen { unlimited, growing, limited, closed, probes, pauses } = seen;
    assert!(unlimited.min(growing).min(limited).min(closed).min(probes).min(pauses) > 100);
}

/// No fraction is lost on the way.
#[test]
fn answers_are_read() {
    let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
    let answer =
        |rate, pause| Value::Array(vec![rate, Value::Int(1), Value::Int(1), Value::Int(0), pause, Value::Int(100)]);
    let share = protocol::share(answer(text("0.10000000000000001"), text("1.5"))).unwrap();
    assert_eq!((share.rate, share.growing), (Some(0.1), true));
    assert_eq!((share.closed, share.probe), (true, false));
    assert_eq!((share.pause, share.next_report), (Some(Duration::from_micros(1_500)), Duration::from_millis(100)));
    let share = protocol::share(answer(Value::Nil, Value::Nil)).unwrap();
    assert_eq!((share.rate, share.pause), (None, None));
    for absurd in ["nan", "inf", "-inf", "-1", "1e400", "ten"] {
        assert_eq!(protocol::share(answer(text(absurd), Value::Nil)), None, "{absurd}");
        assert_eq!(protocol::share(answer(Value::Nil, text(absurd))), None, "{absurd}");
    }
    for absurd in [Value::Nil, Value::Okay, Value::Int(1), Value::Array(Vec::new()), text("OK")] {
        assert_eq!(protocol::share(absurd), None);
    }
    assert!(f64::from_redis_value(text("0x10")).is_err());
}
