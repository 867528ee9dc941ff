//! What becomes of an attempt on its way, and what the layer sees of it.

use reqwest::{Response, ResponseBuilderExt};

use super::{URL, scenario::KeyHandling};

/// What becomes of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It is handled and answered.
    Normal,
    /// A 429 before anything is looked at.
    Throttled,
    NotSent,
    LostBefore,
    LostAfter,
    GatewayBefore,
    GatewayAfter,
    /// The execution begins, its response is lost, and it ends once the next attempt has been answered.
    Running,
    /// As `Running`, but it ends after the call.
    RunningAfterCall,
    /// It is delayed on its way, and arrives once the next attempt has been answered.
    Delayed,
    /// As `Delayed`, but it arrives after the call.
    DelayedAfterCall,
    /// The execution fails before its effect.
    FailedBefore,
    /// The execution fails after its effect.
    FailedAfter,
    /// As `FailedAfter`, and the response is lost.
    FailedAfterLost,
    /// It is executed and refused without an effect, and the response is lost.
    DeclinedLost,
    /// A 401 before anything is looked at.
    Unauthorized,
    /// A 500 that says that the same key executes again.
    FailedTransiently,
    /// The execution loses a lock and has no effect.
    LostLock,
}

impl Delivery {
    const COMMON: [Self; 16] = [
        Self::Normal,
        Self::Throttled,
        Self::NotSent,
        Self::LostBefore,
        Self::LostAfter,
        Self::GatewayBefore,
        Self::GatewayAfter,
        Self::Running,
        Self::RunningAfterCall,
        Self::Delayed,
        Self::DelayedAfterCall,
        Self::FailedBefore,
        Self::FailedAfter,
        Self::FailedAfterLost,
        Self::DeclinedLost,
        Self::Unauthorized,
    ];

    pub(super) fn all(keys: KeyHandling) -> Vec<Self> {
        let mut all = Self::COMMON.to_vec();
        match keys {
            KeyHandling::Signalled => all.push(Self::FailedTransiently),
            KeyHandling::InvalidatedByError => all.push(Self::LostLock),
            _ => {}
        }
        all
    }

    /// The delivery that looks like this one and leaves the service like this one.
    pub(super) fn twin(self, keys: KeyHandling) -> Option<Self> {
        match self {
            Self::Throttled => Some(Self::NotSent),
            Self::GatewayBefore if keys != KeyHandling::Signalled => Some(Self::LostBefore),
            Self::GatewayAfter if keys != KeyHandling::Signalled => Some(Self::LostAfter),
            _ => None,
        }
    }
}

/// What stands between client and service answers, whatever the service does: all of them may be retried.
pub(super) const GATEWAYS: [u16; 7] = [504, 499, 524, 507, 502, 598, 511];

/// What the layer sees of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Observed {
    Success,
    NotSent,
    Lost,
    Status { status: u16, message: &'static str, transient: bool, replayed: bool },
}

impl Observed {
    pub(super) const STILL_RUNNING: Self = Self::status(409, "still running");
    pub(super) const EXISTS: Self = Self::status(409, "already exists");
    pub(super) const UNUSABLE: Self = Self::status(400, "unusable key");

    pub(super) const fn status(status: u16, message: &'static str) -> Self {
        Self::Status { status, message, transient: false, replayed: false }
    }

    /// A gateway answers with another status at each attempt.
    pub(super) const fn at_attempt(self, attempt: usize) -> Self {
        match self {
            Self::Status { status: 504, message, .. } => Self::status(GATEWAYS[attempt % GATEWAYS.len()], message),
            other => other,
        }
    }

    /// Whether there may be an execution behind it, judged apart from the code under test.
    pub(super) fn may_have_executed(self) -> bool {
        match self {
            Self::Lost => true,
            Self::Status { status, message, .. } => status == 499 || status >= 500 || message == "still running",
            Self::Success | Self::NotSent => false,
        }
    }

    /// What is the same to the layer.
    pub(super) fn merged(self, keys: KeyHandling) -> Self {
        match self {
            Self::Status { status: 429, .. } => Self::NotSent,
            Self::Status { status, .. } if GATEWAYS.contains(&status) && keys != KeyHandling::Signalled => Self::Lost,
            observed => observed,
        }
    }

    pub(super) fn response(self) -> Option<Response> {
        let builder = http::Response::builder().url(URL.parse().unwrap());
        let response = match self {
            Self::Lost | Self::NotSent => return None,
            Self::Success => builder.body(String::new()).unwrap(),
            Self::Status { status, message, transient, replayed } => builder
                .status(status)
                .header("transient", transient.to_string())
                .header("replayed", replayed.to_string())
                .body(format!(r#"{{"message":"{message}"}}"#))
                .unwrap(),
        };
        Some(response.into())
    }
}
