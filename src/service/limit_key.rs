//! Where the limit key of a request is: data.

use std::borrow::Cow;

use super::{config_error::FieldErrors, header::Header};
use crate::hooks::RequestFacts;

/// Where the limit key of a request is: the customer, user or tenant that it is about.
///
/// A service that limits each of them separately says so in its [scope header](crate::RateLimiting::scope_header).
/// Calls with a limit key that was refused then queue apart, and delay no others. Given to the service by
/// [`ServiceBuilder::limit_key_from`](crate::ServiceBuilder::limit_key_from), and where an endpoint differs by
/// [`Route::limit_key_from`](crate::Route::limit_key_from). Of several places the first that has a key counts.
///
/// ```
/// use http::Method;
/// use reqwest_safe_retry::{Effect, LimitKeySource, RateLimiting, Service};
///
/// let service = Service::builder("billing", "https://billing.internal")
///     .route(Method::GET, "/customers/{customer_id}/invoices", Effect::Read)
///     .rate_limiting(RateLimiting::new().scope_header("x-limit-scope", ["customer"]))
///     .limit_key_from([
///         LimitKeySource::path_parameter("customer_id"),
///         LimitKeySource::body_member("/customer/id"),
///         LimitKeySource::header("x-customer"),
///     ])
///     .build()?;
/// assert_eq!(service.limit_key_from().len(), 3);
///
/// let error = service.into_builder().limit_key_from([LimitKeySource::path_parameter("user")]).build().unwrap_err();
/// assert_eq!(error.errors()[0].path(), "services.billing.limit_key_from[0].path_parameter");
/// assert_eq!(error.errors()[0].message(), "\"user\" is a parameter of no route");
/// # Ok::<_, reqwest_safe_retry::ConfigError>(())
/// ```
///
/// A key is looked for only while some limit key is limited, or when a refusal is about one. It is kept as a hash,
/// however long it is. An empty text is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "Written", into = "Written")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum LimitKeySource {
    /// The parameter of this name in the path of the request's route, decoded: `customer_id` of
    /// `/customers/{customer_id}`. A request that no route matches has none.
    PathParameter(Cow<'static, str>),
    /// Text or number at this pointer (RFC 6901) into the JSON body. There is none in a body that is a stream, is not
    /// JSON or is larger than 256 KiB.
    BodyMember(Cow<'static, str>),
    /// The request header of this name. What a middleware below the layer adds, or the client by itself, is not seen.
    Header(Header),
}

/// A larger body is not searched: that takes time while other calls wait.
const LARGEST_BODY: usize = 256 * 1024;

impl LimitKeySource {
    /// A parameter of the route's path.
    pub fn path_parameter(name: impl Into<Cow<'static, str>>) -> Self {
        Self::PathParameter(name.into())
    }

    /// A member of the JSON body, by its pointer (RFC 6901).
    pub fn body_member(pointer: impl Into<Cow<'static, str>>) -> Self {
        Self::BodyMember(pointer.into())
    }

    /// A request header.
    pub fn header(name: impl Into<Header>) -> Self {
        Self::Header(name.into())
    }

    /// The key, if it is there. `parameter` finds a parameter of the path by its name.
    pub(crate) fn read<'r>(
        &self,
        request: &RequestFacts<'r>,
        parameter: impl FnOnce(&str) -> Option<&'r str>,
    ) -> Option<String> {
        let key = match self {
            Self::PathParameter(name) => percent_decoded(parameter(name)?),
            Self::BodyMember(pointer) if request.body?.len() <= LARGEST_BODY => request.json(pointer)?,
            Self::BodyMember(_) => return None,
            Self::Header(header) => request.header(header.as_str())?.trim().to_owned(),
        };
        (!key.is_empty()).then_some(key)
    }
}

/// Adds what is wrong with the list at `path`. `paths` are those in which a parameter may be.
pub(super) fn check<'p>(
    sources: &[LimitKeySource],
    path: &str,
    paths: impl Iterator<Item = &'p str> + Clone,
    errors: &mut FieldErrors,
) {
    for (index, source) in sources.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match source {
            LimitKeySource::PathParameter(name) => {
                if !paths.clone().any(|path| has_parameter(path, name)) {
                    errors.add(format!("{path}.path_parameter"), format!("{name:?} is a parameter of no route"));
                }
            }
            LimitKeySource::BodyMember(pointer) => errors.check_pointer(&format!("{path}.body_member"), pointer),
            LimitKeySource::Header(header) => header.check(&format!("{path}.header"), errors),
        }
    }
}

/// Whether a route's path has a parameter of this name; one that matches all the rest counts too.
fn has_parameter(path: &str, name: &str) -> bool {
    let parameters = path.split('/').filter_map(|segment| segment.rsplit_once('{')?.1.strip_suffix('}'));
    parameters.map(|parameter| parameter.strip_prefix('*').unwrap_or(parameter)).any(|parameter| parameter == name)
}

/// The same key may be in the path of one request and in the body of another.
fn percent_decoded(text: &str) -> String {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let pair = after.first_chunk().filter(|_| *first == b'%').and_then(|[high, low]| {
            // Two digits of 4 bits each.
            Some((digit(*high)? << 4 | digit(*low)?) as u8)
        });
        decoded.push(pair.unwrap_or(*first));
        rest = if pair.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// How it is written in a file: a table with one of the three.
#[cfg(feature = "config")]
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("minProperties" = 1, "maxProperties" = 1)))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Written {
    /// The name of a parameter in the path of the request's route.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameter: Option<Cow<'static, str>>,
    /// A pointer (RFC 6901) into the JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_member: Option<Cow<'static, str>>,
    /// A request header.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Header>,
}

#[cfg(feature = "config")]
impl TryFrom<Written> for LimitKeySource {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        match written {
            Written { path_parameter: Some(name), body_member: None, header: None } => Ok(Self::PathParameter(name)),
            Written { path_parameter: None, body_member: Some(pointer), header: None } => Ok(Self::BodyMember(pointer)),
            Written { path_parameter: None, body_member: None, header: Some(header) } => Ok(Self::Header(header)),
            _ => Err("expected one of `path_parameter`, `body_member` and `header`"),
        }
    }
}

#[cfg(feature = "config")]
impl From<LimitKeySource> for Written {
    fn from(source: LimitKeySource) -> Self {
        match source {
            LimitKeySource::PathParameter(name) => Self { path_parameter: Some(name), ..Self::default() },
            LimitKeySource::BodyMember(pointer) => Self { body_member: Some(pointer), ..Self::default() },
            LimitKeySource::Header(header) => Self { header: Some(header), ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_path_are_decoded() {
        for (written, decoded) in [
            ("c-1", "c-1"),
            ("a%20b%2Fc", "a b/c"),
            ("%c3%A9", "é"),
            ("100%", "100%"),
            ("%2", "%2"),
            ("%zz%+1", "%zz%+1"),
            ("%ff", "\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(percent_decoded(written), decoded, "{written}");
        }
    }

    #[test]
    fn parameter_is_a_name_in_braces() {
        for (path, name, expected) in [
            ("/customers/{id}", "id", true),
            ("/customers/{id}/x", "id", true),
            ("/v{version}/x", "version", true),
            ("/files/{*rest}", "rest", true),
            ("/customers/{id}", "i", false),
            ("/customers/{id}", "", false),
            ("/customers/id", "id", false),
            ("/customers/{{id}}", "id", false),
        ] {
            assert_eq!(has_parameter(path, name), expected, "{path} {name}");
        }
    }
}
