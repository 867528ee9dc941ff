//! What becomes of an attempt, reduced to what matters to another process.

use super::super::scenario::KeyHandling;

/// What becomes of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Delivery {
    /// It is handled and answered.
    Normal,
    NotSent,
    /// A 401 before anything is looked at.
    Unauthorized,
    LostBefore,
    LostAfter,
    /// A gateway answers, and the service has not seen it.
    GatewayBefore,
    /// A gateway answers, and the service has executed it.
    GatewayAfter,
    /// The execution begins, its response is lost, and it ends at this time.
    Running(Arrival),
    /// It is delayed on its way, and arrives at this time.
    Delayed(Arrival),
    /// The execution fails before its effect.
    FailedBefore,
    /// The execution fails after its effect.
    FailedAfter,
    /// A 500 before the key is looked at.
    FailedUnseen,
    /// It is executed and refused without an effect.
    Declined,
    /// A 500 that says that the same key executes again.
    FailedTransiently,
    /// The execution loses a lock and has no effect.
    LostLock,
}

/// When something still under way arrives, or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Arrival {
    /// Once the next attempt of the same process was answered, or before the next process begins.
    Soon,
    /// At the last moment: just before the lease and the longest attempt have passed.
    AtLast,
}

impl Delivery {
    const COMMON: [Self; 13] = [
        Self::Normal,
        Self::NotSent,
        Self::Unauthorized,
        Self::LostBefore,
        Self::LostAfter,
        Self::Running(Arrival::Soon),
        Self::Running(Arrival::AtLast),
        Self::Delayed(Arrival::Soon),
        Self::Delayed(Arrival::AtLast),
        Self::FailedBefore,
        Self::FailedAfter,
        Self::FailedUnseen,
        Self::Declined,
    ];

    /// A gateway's error counts as a lost response, unless a header of the response matters.
    pub(super) fn all(keys: KeyHandling) -> Vec<Self> {
        let mut all = Self::COMMON.to_vec();
        match keys {
            KeyHandling::Signalled => {
                all.extend([Self::GatewayBefore, Self::GatewayAfter, Self::FailedTransiently]);
            }
            KeyHandling::InvalidatedByError => all.push(Self::LostLock),
            _ => {}
        }
        all
    }
}
