//! Two calls on a time axis, as they happen on a paused clock.

use std::time::Duration;

use reqwest_safe_retry::{
    Applied, Attempts, Backoff, Error, Jitter, RetryPolicy, SafeRetry, Service, StopReason,
    testing::{Reply, ScriptedTransport},
};

use super::svg::Svg;

const DEADLINE: Duration = Duration::from_secs(10);
/// Pixels for a second, and where the axis begins.
const SCALE: f64 = 80.0;
const LEFT: f64 = 60.0;

/// What the service does with an attempt.
struct Answer {
    status: u16,
    retry_after: Option<&'static str>,
    after: Duration,
}

/// A call as it happened.
struct Timeline {
    /// When each attempt was sent, and how long it took.
    sent: Vec<(Duration, Duration)>,
    attempts: Attempts,
    stop: Option<(StopReason, Applied)>,
}

const fn answer(status: u16, retry_after: Option<&'static str>, millis: u64) -> Answer {
    Answer { status, retry_after, after: Duration::from_millis(millis) }
}

/// Without random parts, so that the figure is the same each time.
fn policy() -> RetryPolicy {
    let waits = |seconds| Backoff::new(Duration::from_secs(seconds), Duration::from_secs(20)).jitter(Jitter::None);
    RetryPolicy::new()
        .transient(waits(1))
        .throttled(waits(1))
        .retry_after_jitter(0.0, Duration::ZERO)
        .deadline(DEADLINE)
}

async fn call(answers: &[Answer]) -> Timeline {
    let replies = answers.iter().map(|Answer { status, retry_after, after }| {
        Reply::response(*status, retry_after.map(|seconds| ("retry-after", seconds)), "").after(*after)
    });
    let transport = ScriptedTransport::new(replies.collect::<Vec<_>>());
    let service = Service::metronome().into_builder().retry_policy(policy()).build().unwrap();
    let client = transport.client(SafeRetry::new([service])).unwrap();
    let sent = client.post("https://api.metronome.com/v1/contracts/create").body("{}").send().await;
    let (attempts, stop) = match &sent {
        Ok(response) => (response.extensions().get::<Attempts>().unwrap().clone(), None),
        Err(error) => {
            let error = Error::find(error).unwrap();
            (error.attempts().clone(), Some((error.stop(), error.applied())))
        }
    };
    let sent = transport.sent().iter().zip(answers).map(|(sent, answer)| (sent.at(), answer.after)).collect();
    Timeline { sent, attempts, stop }
}

fn at(time: Duration) -> f64 {
    LEFT + SCALE * time.as_secs_f64()
}

fn draw(svg: &mut Svg, top: f64, timeline: &Timeline) -> f64 {
    let mut end = LEFT;
    for ((began, took), attempt) in timeline.sent.iter().zip(timeline.attempts.iter()) {
        let status = attempt.status().unwrap();
        let (from, to) = (at(*began), at(*began + *took));
        let class = if status.is_success() { "attempt" } else { "failed" };
        svg.rect((from, top, to - from, 34.0), class);
        svg.text((f64::midpoint(from, to), top + 22.0), "on", "middle", status.as_str());
        end = to;
        if let Some(wait) = attempt.wait() {
            let until = at(*began + *took + wait);
            svg.line((to, top + 17.0), (until, top + 17.0), "wait");
            let text = format!("wait {} s", wait.as_secs_f64());
            svg.text((f64::midpoint(to, until), top + 10.0), "note", "middle", &text);
        }
    }
    end
}

#[tokio::test(start_paused = true)]
async fn call_timeline() {
    let recovers = call(&[answer(504, None, 2_000), answer(429, Some("4"), 500), answer(200, None, 700)]).await;
    assert_eq!(recovers.stop, None);
    let stops = call(&[answer(504, None, 2_000), answer(503, Some("9"), 500)]).await;
    assert_eq!(stops.stop, Some((StopReason::DeadlineExceeded, Applied::Unknown)));
    assert_eq!(stops.attempts.elapsed(), Duration::from_millis(3_500), "it does not wait for the deadline");

    let mut svg = Svg::new(960, 330, "Two calls of a write with a key, each with a deadline of 10 s");
    for second in 0..=10 {
        let x = at(Duration::from_secs(second));
        svg.line((x, 60.0), (x, 280.0), "grid");
        svg.text((x, 298.0), "note", "middle", &second.to_string());
    }
    svg.text((at(DEADLINE / 2), 320.0), "note", "middle", "seconds since the call began");
    let end = at(DEADLINE);
    svg.line((end, 60.0), (end, 280.0), "deadline");
    svg.text((end + 6.0, 76.0), "note", "start", "deadline");

    let ended = draw(&mut svg, 90.0, &recovers);
    svg.text((ended + 8.0, 112.0), "", "start", "success");
    svg.text((at(Duration::ZERO), 142.0), "note", "start", "no answer from behind a gateway");
    let note = "Retry-After: 4, which is longer than the backoff";
    svg.text((at(Duration::from_millis(3_000)), 142.0), "note", "start", note);

    let ended = draw(&mut svg, 200.0, &stops);
    svg.text((ended + 8.0, 222.0), "", "start", "the call ends at once, in doubt");
    let note = "Retry-After: 9 would end after the deadline: DeadlineExceeded, at 3.5 s";
    svg.text((at(Duration::from_millis(3_000)), 252.0), "note", "start", note);
    super::check("call_timeline", &svg.finish());
}
