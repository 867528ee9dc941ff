//! What an error does not show, even if the service repeats it.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use reqwest::{Request, Url};

use crate::{key::IdempotencyKey, wire::query};

/// What is kept of a request for its error: what the error shows of it, and what it must hide.
pub(crate) struct RequestHead {
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The header that carries the service's keys.
    pub(crate) key_header: Option<HeaderName>,
    /// The key that another one has replaced.
    pub(crate) replaced_key: Option<IdempotencyKey>,
}

impl RequestHead {
    /// Of a request that was not sent.
    pub(crate) fn of(request: &Request, key_header: Option<HeaderName>) -> Self {
        let headers = request.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { url: request.url().clone(), headers, key_header, replaced_key: None }
    }

    /// What must not be shown: looked for only once an error is, since few errors are.
    pub(super) fn secrets(&self, key: Option<&IdempotencyKey>, template: Option<&str>) -> Secrets {
        let mut secrets = Secrets::default();
        self.replaced_key.iter().chain(key).for_each(|key| secrets.add_key(key));
        secrets.add_url(&self.url);
        self.headers.iter().for_each(|(name, value)| secrets.add_header(name, value, self.key_header.as_ref()));
        if let Some(template) = template {
            secrets.add_path(self.url.path(), template);
        }
        secrets
    }
}

/// The keys of a call, and the credentials that its request carried as far as the layer has seen them.
#[derive(Default)]
pub(super) struct Secrets(Vec<Secret>);

struct Secret {
    text: String,
    shown_as: Cow<'static, str>,
}

/// A shorter part of a credential is found in too many words.
const SHORTEST: usize = 4;
/// What is not named as a secret is taken for one if it is as long and has a digit.
const SHORTEST_UNNAMED: usize = 6;
/// However many a request has, no more are looked for.
const MOST: usize = 64;

impl Secrets {
    fn add_key(&mut self, key: &IdempotencyKey) {
        self.add(key.as_str(), "<key>");
        self.add(&query::encoded(key.as_str()), "<key>");
    }

    /// The path as it was sent, which a template stands for.
    fn add_path(&mut self, path: &str, template: &str) {
        self.add(path, template.to_owned());
    }

    /// The query, those of its values that look like a secret, and parameters within the path.
    fn add_url(&mut self, url: &Url) {
        let query = url.query().unwrap_or_default();
        self.add_part(query);
        let in_path = url.path().split('/').filter_map(|segment| Some(segment.split_once(';')?.1));
        for pair in query.split(['&', ';']).chain(in_path) {
            self.add_pair(pair.split_once('=').unwrap_or((pair, pair)));
        }
        for (name, value) in url.query_pairs() {
            self.add_pair((&name, &value));
        }
    }

    fn add_pair(&mut self, (name, value): (&str, &str)) {
        let looks_secret = value.len() >= SHORTEST_UNNAMED && value.contains(|char: char| char.is_ascii_digit());
        if sounds_secret(&name.to_ascii_lowercase()) || looks_secret {
            self.add_part(value);
        }
    }

    fn add_header(&mut self, name: &HeaderName, value: &HeaderValue, key_header: Option<&HeaderName>) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if key_header == Some(name) {
            return self.add(&text, "<key>");
        }
        if !value.is_sensitive() && !sounds_secret(name.as_str()) {
            return;
        }
        self.add_part(&text);
        match *name {
            AUTHORIZATION | PROXY_AUTHORIZATION => self.add_authorization(&text),
            COOKIE => self.add_values(&text, ';'),
            _ => {}
        }
    }

    /// The credentials behind the scheme: a token, parameters, or user and password (RFC 7617).
    fn add_authorization(&mut self, text: &str) {
        let (scheme, credentials) = text.split_once(' ').unwrap_or(("", text));
        self.add_part(credentials);
        self.add_values(credentials, ',');
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(credentials.trim()).unwrap_or_default();
            let decoded = String::from_utf8_lossy(&decoded);
            decoded.split_once(':').into_iter().flat_map(|(user, password)| [user, password]).for_each(|part| {
                self.add_part(part);
            });
        }
    }

    /// The values of a list of pairs, without their quotes.
    fn add_values(&mut self, text: &str, separator: char) {
        for (_, value) in text.split(separator).filter_map(|pair| pair.split_once('=')) {
            self.add_part(value.trim().trim_matches('"'));
        }
    }

    fn add_part(&mut self, text: &str) {
        if text.trim().len() >= SHORTEST {
            self.add(text.trim(), "<hidden>");
        }
    }

    fn add(&mut self, text: &str, shown_as: impl Into<Cow<'static, str>>) {
        if !text.is_empty() && self.0.len() < MOST && !self.0.iter().any(|known| known.text == text) {
            self.0.push(Secret { text: text.to_owned(), shown_as: shown_as.into() });
        }
    }

    /// At most so many characters of the text, without the secrets, in whatever capitals, and without what follows the name
    /// of a scheme of authentication: the client may have added that below the layer. Whether there is more.
    pub(super) fn hidden_in(&self, text: &str, most: usize) -> (String, bool) {
        /// What is hidden is shorter than what it stands for: so much of a text fills what is shown, or nearly.
        const LOOKED_AT: usize = 8;
        let end = text.char_indices().nth(most * LOOKED_AT).map_or(text.len(), |(end, _)| end);
        let mut shown = String::new();
        let mut at = 0;
        while at < end && shown.chars().count() <= most {
            at = self.show_next(text, at, &mut shown);
        }
        let cut = shown.char_indices().nth(most).map(|(cut, _)| cut);
        shown.truncate(cut.unwrap_or(shown.len()));
        (shown, cut.is_some() || at < text.len())
    }

    /// Shows what begins at this place, and returns the place after it.
    fn show_next(&self, text: &str, at: usize, shown: &mut String) -> usize {
        let rest = &text[at..];
        if let Some((scheme, token)) = scheme_at_start_of(rest) {
            let _ = write!(shown, "{}<hidden>", &rest[..scheme]);
            return self.end_of_overlap(text, at + scheme + token);
        }
        if let Some(secret) = self.at_start_of(rest) {
            shown.push_str(&secret.shown_as);
            return self.end_of_overlap(text, at + secret.text.len());
        }
        let next = rest.chars().next().unwrap_or_default();
        shown.push(next);
        at + next.len_utf8().max(1)
    }

    /// A secret may begin within another one and go on after it.
    fn end_of_overlap(&self, text: &str, end: usize) -> usize {
        let longest = self.0.iter().map(|secret| secret.text.len()).max().unwrap_or_default();
        let starts = (end.saturating_sub(longest)..end).filter(|start| text.is_char_boundary(*start));
        let ends = starts.filter_map(|start| Some(start + self.at_start_of(&text[start..])?.text.len()));
        ends.max().unwrap_or(end).max(end)
    }

    /// The longest secret that the text begins with.
    fn at_start_of(&self, text: &str) -> Option<&Secret> {
        let begins = |secret: &&Secret| {
            text.get(..secret.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&secret.text))
        };
        self.0.iter().filter(begins).max_by_key(|secret| secret.text.len())
    }
}

/// The lengths of the name of a scheme with its space, and of the token that follows (RFC 9110, section 11.4). A word is no
/// token.
fn scheme_at_start_of(text: &str) -> Option<(usize, usize)> {
    const LEAST: usize = 8;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let is_start = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = ["bearer ", "basic "].iter().find(|scheme| is_start(scheme))?.len();
    let token = text.as_bytes()[scheme..].iter().take_while(|byte| is_token(byte)).count();
    let token_text = &text[scheme..scheme + token];
    let mixed =
        token_text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let is_word = !mixed && !token_text.contains(|char: char| char.is_ascii_digit());
    (token >= LEAST && !is_word).then_some((scheme, token))
}

/// Whether a header or parameter of this name holds a secret.
fn sounds_secret(name: &str) -> bool {
    const WORDS: [&str; 11] =
        ["assertion", "auth", "cookie", "credential", "jwt", "key", "password", "secret", "session", "sig", "token"];
    WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str =
        "https://api.example.com/a;jsessionid=sess10n?api_key=k%2F123456&page=2&kind=customer&t0k3n-alone";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add_key(&IdempotencyKey::new("Key-of-invoice-7"));
        secrets.add_key(&IdempotencyKey::new("a/second+key"));
        secrets.add_path("/v1/hooks/s3cret", "/v1/hooks/{token}");
        secrets.add_url(&URL.parse().unwrap());
        for (name, value) in [
            ("authorization", "Token t0k3n"),
            ("proxy-authorization", "Basic c2tfbGl2ZV8xOnBhc3N3MHJk"),
            ("cookie", "session=c00kie; a=1; q=\"quoted-c00kie\""),
            ("x-api-key", "ap1key"),
            ("x-prefix-key", "key_"),
            ("x-tail-token", "y_t41l"),
            ("x-signature", "AWS4 Signature=\"f00bar\""),
            ("x-jwt-assertion", "p\u{e4}ss-jwt"),
            ("request-id", "the-other-key"),
            ("accept", "application/json"),
        ] {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            secrets.add_header(&name.parse().unwrap(), &value, Some(&"request-id".parse().unwrap()));
        }
        secrets
    }

    #[test]
    fn secrets_are_hidden_in_all_capitals() {
        for (text, shown) in [
            ("nothing, application/json, page 2, no customer", "nothing, application/json, page 2, no customer"),
            ("key-OF-invoice-7 and Key-of-invoice-7 are taken", "<key> and <key> are taken"),
            ("a/second+key and ?requestid=a%2fsecond%2Bkey", "<key> and ?requestid=<key>"),
            ("T0K3N, session=C00KIE, AP1KEY", "<hidden>, session=<hidden>, <hidden>"),
            ("cookie c00kie, quoted-c00kie", "cookie <hidden>, <hidden>"),
            ("k/123456 is k%2F123456, T0k3n-Alone", "<hidden> is <hidden>, <hidden>"),
            ("SESS10N p\u{e4}ss-jwt", "<hidden> <hidden>"),
            ("Cannot POST /v1/hooks/s3cret", "Cannot POST /v1/hooks/{token}"),
            ("user sk_live_1, password passw0rd", "user <hidden>, password <hidden>"),
            // One begins within another one.
            ("key_t41l, key_", "<hidden>, <hidden>"),
            ("the-other-key", "<key>"),
            ("Bearer abcdefgh.ijk1== is expired", "Bearer <hidden> is expired"),
            ("a bearer token is missing; basic dXNlcjpwYXNz", "a bearer token is missing; basic <hidden>"),
            (
                "Basic authentication is disabled, your basic subscription",
                "Basic authentication is disabled, your basic subscription",
            ),
            ("", ""),
        ] {
            assert_eq!(secrets().hidden_in(text, 300), (shown.to_owned(), false), "{text}");
        }
        let mut short = Secrets::default();
        for key in ["", "e", "ey", "\u{e9}"] {
            short.add_key(&IdempotencyKey::new(key));
        }
        assert_eq!(short.hidden_in("key \u{e9} \u{1f600}", 300).0, "k<key> <key> \u{1f600}");
    }

    #[test]
    fn no_secret_is_cut() {
        let (token, cookie) = ("a1".repeat(1_000), "c0".repeat(9_000));
        let mut secrets = Secrets::default();
        secrets.add_part(&token);
        secrets.add_part(&cookie);
        for text in [token.repeat(20), cookie.clone(), format!("{}{token}", "x".repeat(299)), cookie.repeat(3)] {
            let (shown, _) = secrets.hidden_in(&text, 300);
            assert!(!shown.contains("a1") && !shown.contains("c0"), "{shown}");
            assert!(shown.chars().count() <= 300);
        }
        let mut url: Url = "https://a.example".parse().unwrap();
        url.set_query(Some(&"token=s3cr3t&".repeat(10_000)));
        secrets.add_url(&url);
        assert!(secrets.0.len() <= MOST);
        assert_eq!(Secrets::default().hidden_in("abc", 2), ("ab".to_owned(), true));
    }
}
