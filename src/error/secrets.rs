//! What an error does not show, even if the service repeats it.

use std::borrow::Cow;

use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use reqwest::Url;

use crate::key::IdempotencyKey;

/// The keys of a call, and the credentials that its request carried as far as the layer has seen them.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Secret>);

struct Secret {
    text: String,
    shown_as: &'static str,
}

/// A shorter part of a credential is found in too many words.
const SHORTEST: usize = 4;

impl Secrets {
    pub(crate) fn add_key(&mut self, key: &IdempotencyKey) {
        self.add(key.as_str(), "<key>");
    }

    /// The values of the query, and the user information.
    pub(crate) fn add_url(&mut self, url: &Url) {
        let raw = url.query().unwrap_or_default().split('&').filter_map(|pair| Some(pair.split_once('=')?.1));
        let decoded = url.query_pairs().map(|(_, value)| value);
        for value in raw.map(Cow::Borrowed).chain(decoded).chain(url.password().map(Cow::Borrowed)) {
            self.add_part(&value);
        }
    }

    pub(crate) fn add_header(&mut self, name: &HeaderName, value: &HeaderValue, key_header: Option<&HeaderName>) {
        let Ok(text) = value.to_str() else { return };
        if key_header == Some(name) {
            return self.add(text, "<key>");
        }
        if !value.is_sensitive() && !sounds_secret(name) {
            return;
        }
        self.add_part(text);
        match *name {
            AUTHORIZATION | PROXY_AUTHORIZATION => self.add_part(text.split_once(' ').unwrap_or_default().1),
            COOKIE => {
                text.split(';').filter_map(|cookie| cookie.split_once('=')).for_each(|(_, value)| self.add_part(value))
            }
            _ => {}
        }
    }

    fn add_part(&mut self, text: &str) {
        if text.trim().len() >= SHORTEST {
            self.add(text.trim(), "<hidden>");
        }
    }

    fn add(&mut self, text: &str, shown_as: &'static str) {
        if !text.is_empty() {
            self.0.push(Secret { text: text.to_owned(), shown_as });
        }
    }

    /// The text without the secrets, in whatever capitals, and without what follows the name of a scheme of
    /// authentication: the client may have added that below the layer.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(secret) = self.at_start_of(rest) {
                shown.push_str(secret.shown_as);
                rest = &rest[secret.text.len()..];
            } else if let Some((scheme, token)) = scheme_at_start_of(rest) {
                shown.push_str(&rest[..scheme]);
                shown.push_str("<hidden>");
                rest = &rest[scheme + token..];
            } else {
                shown.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        shown
    }

    /// The longest secret that the text begins with.
    fn at_start_of(&self, text: &str) -> Option<&Secret> {
        let begins = |secret: &&Secret| {
            text.get(..secret.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&secret.text))
        };
        self.0.iter().filter(begins).max_by_key(|secret| secret.text.len())
    }
}

/// The lengths of the name of a scheme with its space, and of the token that follows (RFC 9110, section 11.4).
fn scheme_at_start_of(text: &str) -> Option<(usize, usize)> {
    const LEAST: usize = 8;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let is_start = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = ["bearer ", "basic "].iter().find(|scheme| is_start(scheme))?.len();
    let token = text.as_bytes()[scheme..].iter().take_while(|byte| is_token(byte)).count();
    (token >= LEAST).then_some((scheme, token))
}

/// Whether a header of this name holds a secret.
fn sounds_secret(name: &HeaderName) -> bool {
    const WORDS: [&str; 8] = ["auth", "cookie", "credential", "key", "password", "secret", "session", "token"];
    WORDS.iter().any(|word| name.as_str().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add_key(&IdempotencyKey::new("Key-of-invoice-7"));
        secrets.add_url(&"https://api.example.com/?api_key=k%2F123456&page=2".parse().unwrap());
        for (name, value) in [
            ("authorization", "Token t0k3n"),
            ("cookie", "session=c00kie; a=1"),
            ("x-api-key", "ap1key"),
            ("request-id", "the-other-key"),
            ("accept", "application/json"),
        ] {
            secrets.add_header(&name.parse().unwrap(), &value.parse().unwrap(), Some(&"request-id".parse().unwrap()));
        }
        secrets
    }

    #[test]
    fn secrets_are_hidden_in_all_capitals() {
        for (text, shown) in [
            ("nothing, application/json, page 2", "nothing, application/json, page 2"),
            ("key-OF-invoice-7 and Key-of-invoice-7 are taken", "<key> and <key> are taken"),
            ("T0K3N, session=C00KIE, AP1KEY", "<hidden>, session=<hidden>, <hidden>"),
            ("cookie c00kie", "cookie <hidden>"),
            ("k/123456 is k%2F123456", "<hidden> is <hidden>"),
            ("the-other-key", "<key>"),
            ("Bearer abcdefgh.ijk== is expired", "Bearer <hidden> is expired"),
            ("a bearer token is missing; basic dXNlcjpwYXNz", "a bearer token is missing; basic <hidden>"),
            ("", ""),
        ] {
            assert_eq!(secrets().hidden_in(text), shown, "{text}");
        }
        let mut short = Secrets::default();
        for key in ["", "e", "ey", "\u{e9}"] {
            short.add_key(&IdempotencyKey::new(key));
        }
        assert_eq!(short.hidden_in("key \u{e9} \u{1f600}"), "k<key> <key> \u{1f600}");
    }
}
