//! Whether a response came after a redirect that the client followed.

use reqwest::Url;

use crate::decide::outcome::Redirect;

/// The host of the URL that reqwest gives to a response without one.
const NO_URL: &str = "no.url.provided.local";

/// `responded` is the URL of a response; one that a middleware has rebuilt may have lost its own.
pub(crate) fn between(requested: &Url, responded: &Url) -> Redirect {
    if requested == responded || is_same(requested, responded) || responded.host_str() == Some(NO_URL) {
        Redirect::NotFollowed
    } else if is_same_origin(requested, responded) {
        Redirect::SameOrigin
    } else {
        Redirect::OtherOrigin
    }
}

/// The same place, apart from fragments, which are not sent.
pub(crate) fn is_same(one: &Url, other: &Url) -> bool {
    is_same_origin(one, other) && one.path() == other.path() && one.query() == other.query()
}

fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
        && one.scheme() == other.scheme()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_url_means_a_redirect() {
        let requested: Url = "https://api.example.com/v1/things?q=1".parse().unwrap();
        for (responded, expected) in [
            ("https://api.example.com/v1/things?q=1", Redirect::NotFollowed),
            ("https://api.example.com:443/v1/things?q=1#fragment", Redirect::NotFollowed),
            // What a middleware has rebuilt may have lost its URL.
            ("http://no.url.provided.local/", Redirect::NotFollowed),
            ("https://api.example.com/v1/things", Redirect::SameOrigin),
            ("https://api.example.com/v2/things?q=1", Redirect::SameOrigin),
            ("http://api.example.com/v1/things?q=1", Redirect::OtherOrigin),
            ("https://api.example.com:8443/v1/things?q=1", Redirect::OtherOrigin),
            ("https://elsewhere.example.com/v1/things?q=1", Redirect::OtherOrigin),
        ] {
            assert_eq!(between(&requested, &responded.parse().unwrap()), expected, "{responded}");
        }
    }
}
