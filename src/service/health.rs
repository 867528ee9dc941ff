//! How a service is doing.

use std::{borrow::Cow, time::Duration};

use crate::limit::{
    arrival::Reading,
    hosts::{HostLimits, Hosts},
    limiters::{Group, Limiters},
};

/// How a service is doing, by the outcomes of its calls; for a status page.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, Route, Service};
///
/// let reports = Route::new(Method::GET, "/reports", Effect::Read).limit_group("reports");
/// let service = Service::builder("billing", "https://billing.internal").routes([reports]).build()?;
/// let health = service.health();
/// assert_eq!((health.concurrency_limit, health.in_flight, health.waiting, health.paused), (Some(16), 0, 0, None));
/// assert_eq!((health.retry_budget, health.retry_budget_capacity, health.limit_keys), (500, 500, 0));
/// assert_eq!(health.limit_groups[0].name, "reports");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
///
/// Of a service with several hosts, of which each has its own numbers in [`hosts`](Self::hosts), these are the worst: the
/// smallest budget and limit, the longest pause, and the sums of what is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The tokens left in the retry budget.
    pub retry_budget: u32,
    /// How many it holds at most.
    pub retry_budget_capacity: u32,
    /// How many attempts may be in flight; `None` if there is no limit. This and the next three are about the
    /// endpoints that are in no [limit group](crate::Route::limit_group).
    pub concurrency_limit: Option<usize>,
    /// How many are in flight; 0 if there is no limit.
    pub in_flight: usize,
    /// How many calls wait in the queue.
    pub waiting: usize,
    /// How long no attempt starts but a probe, if the limit is closed.
    pub paused: Option<Duration>,
    /// How many limit keys have a limit of their own, at most 1,024. A key that is refused after that counts for the
    /// limit of all; one that was not used for five minutes is forgotten.
    pub limit_keys: usize,
    /// The limits of the [limit groups](crate::Route::limit_group), in the order of the routes; empty if there is no
    /// limit.
    pub limit_groups: Vec<LimitGroupHealth>,
    /// The hosts that had a call, in the order of their names; empty if the service has one fixed base URL.
    pub hosts: Vec<HostHealth>,
}

/// How calls to one of several hosts are doing.
///
/// ```
/// use reqwest_safe_retry::Service;
///
/// let shops = Service::builder("shops", "https://*.myshopify.com").build()?;
/// assert_eq!(shops.health().hosts, [], "there was no call yet");
/// let closed = |service: &Service| {
///     let hosts = service.health().hosts.into_iter();
///     hosts.filter(|host| host.health.paused.is_some()).map(|host| host.host).collect::<Vec<_>>()
/// };
/// assert!(closed(&shops).is_empty());
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostHealth {
    /// Host and port, as in `a.example.com:443`; `*` for all hosts after the first 1,024 together.
    pub host: String,
    /// Its numbers; of these `hosts` is empty.
    pub health: Health,
}

/// How the endpoints of a [limit group](crate::Route::limit_group) are doing.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, LimitGroupHealth, Route, Service};
///
/// let reports = Route::new(Method::GET, "/reports", Effect::Read).limit_group("reports");
/// let service = Service::builder("billing", "https://billing.internal").routes([reports]).build()?;
/// let health = service.health();
/// let LimitGroupHealth { name, waiting, paused, .. } = &health.limit_groups[0];
/// assert_eq!((name.as_str(), *waiting, *paused), ("reports", 0, None));
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitGroupHealth {
    /// The name.
    pub name: String,
    /// How many attempts may be in flight.
    pub concurrency_limit: usize,
    /// How many are in flight.
    pub in_flight: usize,
    /// How many calls wait in the queue.
    pub waiting: usize,
    /// How long no attempt starts but a probe, if the limit is closed.
    pub paused: Option<Duration>,
}

impl Health {
    /// `groups` are the names of the limit groups.
    pub(super) fn new(limits: &HostLimits, capacity: u32, groups: &[Cow<'static, str>]) -> Self {
        let (tokens, limiters) = (limits.budget.tokens(), limits.limiters.as_ref());
        let reading = limiters.map(|limiters| limiters.read(None));
        let of_group = |(position, name): (usize, &Cow<'static, str>)| {
            Some(LimitGroupHealth::new(name, &limiters?.read(Some(Group(position)))))
        };
        Self {
            retry_budget: tokens,
            retry_budget_capacity: capacity,
            concurrency_limit: reading.as_ref().map(|reading| reading.limit),
            in_flight: reading.as_ref().map_or(0, |reading| reading.in_flight),
            waiting: reading.as_ref().map_or(0, |reading| reading.waiting),
            paused: reading.as_ref().and_then(|reading| reading.paused),
            limit_keys: limiters.map_or(0, Limiters::limit_keys),
            limit_groups: groups.iter().enumerate().filter_map(of_group).collect(),
            hosts: Vec::new(),
        }
    }

    /// `others` are the limits of all hosts that found no room.
    pub(super) fn of_hosts(hosts: &Hosts, others: &HostLimits, health: impl Fn(&HostLimits) -> Self) -> Self {
        let of = |host: String, limits: &HostLimits| HostHealth { host, health: health(limits) };
        let mut listed: Vec<_> =
            hosts.iter().map(|host| of(format!("{}:{}", host.name, host.port), &host.limits)).collect();
        listed.sort_by(|one, other| one.host.cmp(&other.host));
        if hosts.is_full() {
            listed.push(of("*".to_owned(), others));
        }
        let worst = listed.iter().map(|host| host.health.clone()).reduce(Self::worse);
        Self { hosts: listed, ..worst.unwrap_or_else(|| health(others)) }
    }

    fn worse(self, other: Self) -> Self {
        let of_groups = self.limit_groups.into_iter().zip(other.limit_groups);
        Self {
            retry_budget: self.retry_budget.min(other.retry_budget),
            concurrency_limit: self.concurrency_limit.min(other.concurrency_limit),
            in_flight: self.in_flight + other.in_flight,
            waiting: self.waiting + other.waiting,
            paused: self.paused.max(other.paused),
            limit_keys: self.limit_keys + other.limit_keys,
            limit_groups: of_groups.map(|(one, other)| one.worse(other)).collect(),
            ..other
        }
    }
}

impl LimitGroupHealth {
    fn worse(self, other: Self) -> Self {
        Self {
            name: self.name,
            concurrency_limit: self.concurrency_limit.min(other.concurrency_limit),
            in_flight: self.in_flight + other.in_flight,
            waiting: self.waiting + other.waiting,
            paused: self.paused.max(other.paused),
        }
    }

    fn new(name: &str, reading: &Reading) -> Self {
        Self {
            name: name.to_owned(),
            concurrency_limit: reading.limit,
            in_flight: reading.in_flight,
            waiting: reading.waiting,
            paused: reading.paused,
        }
    }
}
