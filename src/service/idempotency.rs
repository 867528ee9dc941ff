//! How a service handles idempotency keys: data, one value a service.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderName, Method};

use super::{boolean_header::BooleanHeader, header::Header, key_characters::KeyCharacters};
use crate::decide::key::{ConcurrentRequests, KeyKind, KeyPlace, Probe};

/// How a key is written into the header.
///
/// ```
/// use reqwest_safe_retry::{Idempotency, KeyFormat, KeyKind, RequestBuilderExt, SafeRetry, Service};
/// use reqwest_safe_retry::testing::ScriptedTransport;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let quoted = Idempotency::header("Idempotency-Key", KeyKind::ReplayAll).format(KeyFormat::StructuredString);
/// let service = Service::builder("billing", "https://billing.internal").idempotency(quoted).build().unwrap();
/// let transport = ScriptedTransport::new([200]);
/// let client = transport.client(SafeRetry::new([service])).unwrap();
/// client.post("https://billing.internal/invoices").idempotency_key("invoice-7").send().await.unwrap();
/// assert_eq!(transport.sent()[0].header("idempotency-key"), Some(r#""invoice-7""#));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum KeyFormat {
    /// As it is.
    #[default]
    Raw,
    /// As a string of RFC 9651: in double quotes.
    StructuredString,
}

/// How a service handles idempotency keys, as it documents it.
///
/// ```
/// use std::time::Duration;
/// use http::Method;
/// use reqwest_safe_retry::{Idempotency, KeyKind};
///
/// let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess)
///     .methods([Method::POST])
///     .retention(Duration::from_secs(24 * 3600));
/// assert_eq!(keys.kind, KeyKind::ReplaySuccess);
/// assert_eq!(keys.max_length, 255);
/// ```
///
/// Defaults: POST requests are keyed, keys are sent raw, may have 255 visible ASCII characters, and are made by the layer
/// if the caller gives none; no retention. What its
/// responses say about keys are [response rules](crate::ServiceBuilder::response) of the service.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "config", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[must_use]
#[non_exhaustive]
pub struct Idempotency {
    /// What the service stores under a key.
    pub kind: KeyKind,
    /// The header that carries the key.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub header: Option<Header>,
    /// The parameter of the URL's query that carries the key.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub query: Option<Cow<'static, str>>,
    /// The member of the request's JSON body that carries the key, as a pointer (RFC 6901).
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub body_member: Option<Cow<'static, str>>,
    /// The methods that the service keys, POST unless set; none if it keys only the routes that say so.
    #[cfg_attr(feature = "config", serde(default = "post", with = "super::method::list"))]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::config::schema::MethodText>"))]
    pub methods: Vec<Method>,
    /// How a key is written into the header; raw unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub format: KeyFormat,
    /// Which characters a key may have; visible ASCII unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub characters: KeyCharacters,
    /// How many characters a key may have; 255 unless set.
    #[cfg_attr(feature = "config", serde(default = "default_max_length"))]
    pub max_length: usize,
    /// How long a result is kept under its key, if the service says so.
    #[cfg_attr(feature = "config", serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub retention: Option<Duration>,
    /// How long the service executes a request at most, if that is known.
    #[cfg_attr(feature = "config", serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub longest_execution: Option<Duration>,
    /// What the service does with a request while it still executes another one with the same key; assumed to be refused unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub concurrent_requests: ConcurrentRequests,
    /// Whether only a key that the caller gives is sent; false unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub callers_keys_only: bool,
    /// Whether the same key is tried once more after a 500; for keys of the kind `replay_all` only.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub probe: Option<Probe>,
    /// The header that says whether the same key may be sent again after an error.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub transient_header: Option<BooleanHeader>,
    /// Whether a conflict "in progress" is sent again only if `transient_header` says so too; false unless set.
    #[cfg_attr(feature = "config", serde(default))]
    pub in_progress_needs_signal: bool,
    /// How long a conflict "in progress" that follows an internal error may go on, until the key counts as stuck.
    #[cfg_attr(feature = "config", serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::config::schema::DurationText>"))]
    pub in_progress_for: Option<Duration>,
    /// The header that marks a stored response.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    pub replay_header: Option<BooleanHeader>,
    /// The error status with which a stored success is sent again.
    #[cfg_attr(feature = "config", serde(default, skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 499)))]
    pub replay_status: Option<u16>,
}

#[cfg(feature = "config")]
fn post() -> Vec<Method> {
    vec![Method::POST]
}

/// What is allowed for a key if a service states no limit; the longest that services are known to take.
const fn default_max_length() -> usize {
    255
}

impl Idempotency {
    /// Keys in this header, for POST requests unless [`methods`](Self::methods) says otherwise.
    pub fn header(name: impl Into<Header>, kind: KeyKind) -> Self {
        Self { header: Some(name.into()), methods: vec![Method::POST], ..Self::of_kind(kind) }
    }

    /// Keys in a parameter of the URL's query, for POST requests unless [`methods`](Self::methods) says otherwise.
    ///
    /// ```
    /// use reqwest_safe_retry::{Idempotency, KeyKind, Service};
    ///
    /// // POST https://billing.example.com/v3/payments?requestid=4f5c...
    /// let keys = Idempotency::query("requestid", KeyKind::ReplaySuccess).max_length(50);
    /// let service = Service::builder("billing", "https://billing.example.com/v3").idempotency(keys).build()?;
    /// assert_eq!(service.idempotency().query.as_deref(), Some("requestid"));
    /// # Ok::<_, reqwest_safe_retry::ConfigError>(())
    /// ```
    ///
    /// The layer adds the parameter to the URL of each attempt, where a middleware below sees it; the rest of the query stays as
    /// it is. A parameter that the caller has put there is the caller's key. The name may have letters, digits and `-._~`.
    pub fn query(name: impl Into<Cow<'static, str>>, kind: KeyKind) -> Self {
        Self { query: Some(name.into()), methods: vec![Method::POST], ..Self::of_kind(kind) }
    }

    /// Keys in a member of the request's JSON body, named by a pointer (RFC 6901), for POST requests unless
    /// [`methods`](Self::methods) says otherwise. A key that is there is only ever preserved, and one that the service would
    /// not accept is refused.
    ///
    /// Where the caller gives a key beside the body ([`idempotency_key`](crate::RequestBuilderExt::idempotency_key)), or an
    /// operation from which one follows, the layer writes it there. It makes none, so a request without a key is not
    /// keyed, unless [`write_into_body`](Self::write_into_body) says otherwise.
    pub fn body_member(pointer: impl Into<Cow<'static, str>>, kind: KeyKind) -> Self {
        let body_member = Some(pointer.into());
        Self { body_member, callers_keys_only: true, methods: vec![Method::POST], ..Self::of_kind(kind) }
    }

    /// No keys: a write is sent again only if it provably was not executed.
    pub const fn none() -> Self {
        Self::of_kind(KeyKind::Unsupported)
    }

    const fn of_kind(kind: KeyKind) -> Self {
        Self {
            kind,
            header: None,
            query: None,
            body_member: None,
            methods: Vec::new(),
            format: KeyFormat::Raw,
            characters: KeyCharacters::VisibleAscii,
            max_length: default_max_length(),
            retention: None,
            longest_execution: None,
            concurrent_requests: ConcurrentRequests::Assumed,
            callers_keys_only: false,
            probe: None,
            transient_header: None,
            in_progress_needs_signal: false,
            in_progress_for: None,
            replay_header: None,
            replay_status: None,
        }
    }

    /// Makes a key for each request that has none, and writes it into the [body's member](Self::body_member):
    /// [`callers_keys_only`](Self::callers_keys_only) is false then, and is what a file says.
    ///
    /// ```
    /// use reqwest_safe_retry::{Idempotency, KeyKind};
    ///
    /// let keys = Idempotency::body_member("/idempotencyKey", KeyKind::ReplaySuccess).write_into_body();
    /// assert!(!keys.callers_keys_only);
    /// ```
    ///
    /// Only a body that is a JSON object in memory, without that member, is changed: everything else in it stays byte for byte.
    /// Any other body is sent as it is, without a key. What signs the body belongs below the layer. The member must be one of the
    /// document itself.
    pub const fn write_into_body(mut self) -> Self {
        self.callers_keys_only = false;
        self
    }

    /// The methods whose requests the service keys, unless their route says otherwise.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Sends a key only to an endpoint whose [`Route`](crate::Route) is [`keyed`](crate::Route::keyed) or has its own
    /// [key rules](crate::Route::idempotency): for a service that lists the endpoints which take its key. Every other write is
    /// sent without a key, and again only if it provably was not executed.
    pub fn routes_only(mut self) -> Self {
        self.methods.clear();
        self
    }

    /// How a key is written into the header; [`KeyFormat::Raw`] unless set.
    pub const fn format(mut self, format: KeyFormat) -> Self {
        self.format = format;
        self
    }

    /// Which characters a key may have; [`KeyCharacters::VisibleAscii`] unless set.
    pub const fn characters(mut self, characters: KeyCharacters) -> Self {
        self.characters = characters;
        self
    }

    /// How many characters a key may have; 255 unless set.
    pub const fn max_length(mut self, characters: usize) -> Self {
        self.max_length = characters;
        self
    }

    /// How long a result is kept under its key. A deadline beyond it is refused when the service is built, and a write whose
    /// key is about as old is not sent again: it ends with [`StopReason::KeyExpired`](crate::StopReason::KeyExpired). The
    /// margin is 5 %, at least 10 minutes, at most half of the time.
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// How long the service executes a request at most. A write that was not answered then counts as over after that time,
    /// and a verifier is asked only then.
    pub const fn longest_execution(mut self, longest: Duration) -> Self {
        self.longest_execution = Some(longest);
        self
    }

    /// What the service does with a request while it still executes another one with the same key; [`ConcurrentRequests::Assumed`] unless
    /// set.
    pub const fn concurrent_requests(mut self, handling: ConcurrentRequests) -> Self {
        self.concurrent_requests = handling;
        self
    }

    /// Makes no keys: only a key that the caller gives is sent, and a write without one counts as un-keyed.
    pub const fn callers_keys_only(mut self) -> Self {
        self.callers_keys_only = true;
        self
    }

    /// Whether the same key is tried once more after a 500; for [`KeyKind::ReplayAll`] only, [`Probe::Once`] unless set.
    pub const fn probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// The header that says yes if the same key may be sent again after an error.
    pub fn transient_header(mut self, header: impl Into<BooleanHeader>) -> Self {
        self.transient_header = Some(header.into());
        self
    }

    /// Sends a request again after a conflict "in progress" only if the [`transient_header`](Self::transient_header) says
    /// so; for [`KeyKind::Signalled`] only. Otherwise such a conflict alone is reason enough.
    pub const fn in_progress_needs_signal(mut self) -> Self {
        self.in_progress_needs_signal = true;
        self
    }

    /// How long a conflict "in progress" may go on after an internal error, for a service that leaves keys locked then. An
    /// unbroken run of such conflicts that lasts as long settles the key: the verifier is asked, and "not applied" leads to a
    /// new key. Unless set, such a write stays in doubt.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reqwest_safe_retry::{Idempotency, KeyKind};
    ///
    /// let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).in_progress_for(Duration::from_secs(10));
    /// assert_eq!(keys.in_progress_for, Some(Duration::from_secs(10)));
    /// ```
    pub const fn in_progress_for(mut self, longest: Duration) -> Self {
        self.in_progress_for = Some(longest);
        self
    }

    /// The header that says yes if a response is a stored one.
    pub fn replay_header(mut self, header: impl Into<BooleanHeader>) -> Self {
        self.replay_header = Some(header.into());
        self
    }

    /// The error status with which the service sends a stored success again, for one that answers the repeat of an executed
    /// request with its first body and, say, 409. A request with a key that is answered so has succeeded: the response is
    /// the call's, unchanged, and its attempt is marked as replayed.
    ///
    /// ```
    /// use reqwest_safe_retry::{Idempotency, KeyKind};
    ///
    /// let keys = Idempotency::header("Idempotency-Key", KeyKind::ReplaySuccess).replay_status(409);
    /// assert_eq!(keys.replay_status, Some(409));
    /// ```
    ///
    /// For a service whose status means nothing else: a conflict of another kind would be taken for a success. Under a key
    /// that the caller gives the answer is that of whatever was first sent with the key, in this call or before it, as with
    /// every replay; a service that does not compare requests may return another one's. For the kinds that store successes
    /// only ([`KeyKind::ReplaySuccess`], [`KeyKind::ResourceKey`]), since the status of the first answer is lost.
    pub const fn replay_status(mut self, status: u16) -> Self {
        self.replay_status = Some(status);
        self
    }

    pub(crate) fn header_name(&self) -> Option<&HeaderName> {
        self.header.as_ref()?.name()
    }

    /// Where requests that have a key have it.
    pub(crate) fn key_place(&self) -> KeyPlace {
        match (&self.header, &self.query, &self.body_member) {
            (Some(_), _, _) => KeyPlace::Header,
            (_, Some(_), _) => KeyPlace::Query,
            (_, _, Some(_)) => KeyPlace::Body,
            (None, None, None) => KeyPlace::Absent,
        }
    }

    /// How long after its first use a key may be sent again.
    pub(crate) fn key_lifetime(&self) -> Option<Duration> {
        const LEAST_MARGIN: Duration = Duration::from_secs(10 * 60);
        self.retention.map(|kept| kept - (kept / 20).max(LEAST_MARGIN).min(kept / 2))
    }

    pub(crate) fn keys(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    pub(crate) fn is_transient(&self, headers: &HeaderMap) -> bool {
        self.transient_header.as_ref().and_then(|header| header.read(headers)) == Some(true)
    }

    pub(crate) fn is_replay(&self, headers: &HeaderMap) -> bool {
        self.replay_header.as_ref().and_then(|header| header.read(headers)) == Some(true)
    }
}
