//! A verifier that looks a write up by its key.

use std::{borrow::Cow, fmt, fmt::Write as _, mem, time::Duration};

use async_trait::async_trait;
use http::StatusCode;
use reqwest::{Response, Url};
use reqwest_middleware::ClientWithMiddleware;

use crate::{
    decide::outcome::Redirect,
    error::error::Error,
    service::config_error::{ConfigError, FieldErrors},
    time,
    verify::{InDoubtWrite, Verdict, Verifier},
    wire::{
        body::Reading,
        head,
        json::{self, Member},
        redirect,
    },
};

/// What stands for the key in a template.
const KEY: &str = "{key}";

/// A [`Verifier`] for a service where what a write has created can be looked up by the write's key.
///
/// ```
/// use reqwest_safe_retry::{FetchByKey, SafeRetry, services::increase};
/// use reqwest_safe_retry::testing::{Reply, ScriptedTransport};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// // The client of the lookups authenticates, as the other one does.
/// let found = ScriptedTransport::new([Reply::response(200, [], r#"{"data":[{"id":"t-1"}]}"#)]);
/// let lookups = found.client(SafeRetry::new([increase()])).unwrap();
/// let template = "https://api.increase.com/ach_transfers?idempotency_key={key}";
/// let transfers = FetchByKey::new(lookups, template).unwrap().found_at("/data/0");
/// let writes = ScriptedTransport::new([502, 502, 502]);
/// let client = writes.client(SafeRetry::new([increase().verifier(transfers)])).unwrap();
/// let response = client.post("https://api.increase.com/ach_transfers").body("{}").send().await.unwrap();
/// assert_eq!(response.text().await.unwrap(), r#"{"id":"t-1"}"#);
/// # });
/// ```
///
/// It sends a GET to the URL of the template, in which the write's key, percent-encoded, takes the place of each `{key}`:
///
/// | answer | verdict |
/// |---|---|
/// | 2xx in which [`found_at`](Self::found_at) is filled, or any with a body if that is not set | [`Verdict::Applied`], with what is there, or the answer, as the response |
/// | 404, 410; 2xx in which `found_at` is empty, or is looked for in an empty list | [`Verdict::Unknown`], or [`Verdict::NotApplied`] with [`absent_means_not_applied`](Self::absent_means_not_applied) |
/// | anything else: another status (204 too), no answer, a followed redirect, a body that ends early, is above 1 MiB or has neither | [`Verdict::Unknown`] |
///
/// A write without a key is [`Verdict::Unknown`], and nothing is sent for it. Lists and paths differ by resource: give each kind
/// of request the verifier for its own with [`RequestBuilderExt::verifier`](crate::RequestBuilderExt::verifier).
#[derive(Clone)]
#[must_use]
pub struct FetchByKey {
    client: ClientWithMiddleware,
    template: Cow<'static, str>,
    found_at: Option<Cow<'static, str>>,
    key_at: Option<Cow<'static, str>>,
    absence_proves: bool,
    lag: Duration,
}

/// What a lookup has shown.
enum Lookup {
    Found(Response),
    Absent,
    Unclear,
}

impl FetchByKey {
    /// Looks writes up with this client, at the URL of this template, which has `{key}` in its path or its query.
    ///
    /// ```
    /// use reqwest_safe_retry::FetchByKey;
    ///
    /// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).build();
    /// let error = FetchByKey::new(client, "https://api.example.com/responses/").unwrap_err();
    /// assert_eq!(error.to_string(), "template: has no `{key}` in its path or query");
    /// ```
    ///
    /// # Errors
    ///
    /// If the template has no `{key}`, has it elsewhere, or is not a URL of HTTP.
    pub fn new(client: ClientWithMiddleware, template: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        let template = template.into();
        let mut errors = FieldErrors::default();
        if let Err(message) = check(&template) {
            errors.add("template", message);
        }
        let found = Self { client, template, found_at: None, key_at: None, absence_proves: false, lag: Duration::ZERO };
        errors.finish(Some(found))
    }

    /// The member of the answer that must be there and filled, as a pointer (RFC 6901): for a list, its first element. It becomes
    /// the body of the call's response, as the service would have answered the write, with the answer's status and headers. Without it any 2xx but 204 has found the write. A pointer that does not begin with a slash finds nothing, and proves nothing.
    pub fn found_at(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.found_at = Some(pointer.into());
        self
    }

    /// The member of the answer that repeats the key, as a pointer (RFC 6901). Where it does not, the verdict is
    /// [`Verdict::Unknown`]: a service that ignores the filter lists what others have written.
    pub fn key_at(mut self, pointer: impl Into<Cow<'static, str>>) -> Self {
        self.key_at = Some(pointer.into());
        self
    }

    /// Takes what is not there for [`Verdict::NotApplied`], which lets the layer send the write with a new key.
    ///
    /// **Only for a place that is consistent right after a write, or is at most [`lag`](Self::lag) behind it**, and with a
    /// client that sees all that the write's client writes. A write that is not found there yet is doubled.
    pub const fn absent_means_not_applied(mut self) -> Self {
        self.absence_proves = true;
        self
    }

    /// How long the place may be behind, see [`Verifier::lag`]; not at all unless set.
    pub const fn lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Where a key is looked up; `None` if the URL cannot carry it.
    fn url(&self, key: &str) -> Option<Url> {
        // In a path they are not names, however they are written.
        let is_dots = key.bytes().all(|byte| byte == b'.');
        if is_dots { None } else { Url::parse(&self.template.replace(KEY, &encoded(key))).ok() }
    }

    async fn look_up(&self, key: &str) -> Lookup {
        let Some(url) = self.url(key) else { return Lookup::Unclear };
        match self.client.get(url.clone()).send().await {
            Ok(response) if was_redirected(&url, response.url()) => Lookup::Unclear,
            Ok(response) if is_absent(response.status()) => Lookup::Absent,
            Ok(response) if response.status().is_success() && response.status() != StatusCode::NO_CONTENT => {
                self.read(response, key).await
            }
            Ok(_) => Lookup::Unclear,
            Err(error) => match Error::find(&error) {
                Some(error) if error.status().is_some_and(is_absent) && !after_a_redirect(error) => Lookup::Absent,
                _ => Lookup::Unclear,
            },
        }
    }

    async fn read(&self, mut response: Response, key: &str) -> Lookup {
        /// The body of a resource, or of a list of one, is shorter, and there sooner.
        const MOST: (usize, Duration) = (1024 * 1024, Duration::from_secs(60));
        let headers = mem::take(response.headers_mut());
        let head = head::of(&mut response, headers);
        let mut body = Reading::new(response, MOST.0);
        body.read_rest(time::now().checked_add(MOST.1)).await;
        let body = body.into_read();
        match self.find(&body.bytes, key) {
            _ if body.truncated => Lookup::Unclear,
            Found::At(part) => Lookup::Found(head.map(|()| part.to_vec()).into()),
            Found::Nowhere => Lookup::Absent,
            Found::Unclear => Lookup::Unclear,
        }
    }

    fn find<'b>(&self, body: &'b [u8], key: &str) -> Found<'b> {
        let has_key = |pointer: &Cow<'_, str>| {
            json::member(body, pointer).and_then(Member::into_text).is_some_and(|text| text == key)
        };
        let found = match self.found_at.as_deref() {
            Some(pointer) => found_at(body, pointer),
            None if body.is_empty() => Found::Unclear,
            None => Found::At(body),
        };
        match found {
            Found::At(_) if !self.key_at.as_ref().is_none_or(has_key) => Found::Unclear,
            found => found,
        }
    }
}

/// Where in the body the write is.
enum Found<'b> {
    At(&'b [u8]),
    Nowhere,
    Unclear,
}

/// Nothing is found only where its place is empty, or the list that it would be in: another document says nothing.
fn found_at<'b>(body: &'b [u8], pointer: &str) -> Found<'b> {
    match json::member(body, pointer) {
        Some(member) if member.is_given() => {
            json::written(body, pointer).map_or(Found::Unclear, |part| Found::At(part.as_bytes()))
        }
        Some(_) => Found::Nowhere,
        None => {
            let in_list = |(list, index): (&str, &str)| {
                index.parse::<usize>().is_ok() && json::member(body, list) == Some(Member::Empty)
            };
            if pointer.rsplit_once('/').is_some_and(in_list) { Found::Nowhere } else { Found::Unclear }
        }
    }
}

fn is_absent(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// A middleware may have changed the query.
fn was_redirected(requested: &Url, responded: &Url) -> bool {
    let mut responded = responded.clone();
    responded.set_query(requested.query());
    redirect::between(requested, &responded) != Redirect::NotFollowed
}

fn after_a_redirect(error: &Error) -> bool {
    error.attempts().iter().last().is_some_and(|attempt| attempt.redirect() != Redirect::NotFollowed)
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
fn encoded(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn check(template: &str) -> Result<(), &'static str> {
    let with =
        |key| Url::parse(&template.replace(KEY, key)).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let (Some(one), Some(other)) = (with("a"), with("b")) else { return Err("is not a URL of HTTP") };
    let elsewhere = |url: &Url| (url.origin(), url.username().to_owned(), url.password().map(str::to_owned));
    if elsewhere(&one) != elsewhere(&other) || one.fragment() != other.fragment() {
        return Err("has `{key}` outside its path and query");
    }
    if one == other { Err("has no `{key}` in its path or query") } else { Ok(()) }
}

#[async_trait]
impl Verifier for FetchByKey {
    async fn verify(&self, write: &InDoubtWrite<'_>) -> Verdict {
        let Some(key) = write.key() else { return Verdict::Unknown };
        match self.look_up(key.as_str()).await {
            Lookup::Found(response) => Verdict::Applied(Some(response)),
            Lookup::Absent if self.absence_proves => Verdict::NotApplied,
            Lookup::Absent | Lookup::Unclear => Verdict::Unknown,
        }
    }

    fn lag(&self) -> Duration {
        self.lag
    }
}

/// Without the template, which may have secrets in its query.
impl fmt::Debug for FetchByKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found_at, key_at, absence_proves, lag, .. } = self;
        f.debug_struct("FetchByKey")
            .field("found_at", found_at)
            .field("key_at", key_at)
            .field("absence_proves", absence_proves)
            .field("lag", lag)
            .finish_non_exhaustive()
    }
}
