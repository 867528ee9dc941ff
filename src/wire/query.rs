//! One parameter of a URL's query: read, set and left out. The others stay as they are written.

use std::borrow::Cow;

use reqwest::Url;

/// What the URL has for the parameter, decoded.
pub(crate) fn values<'u>(url: &'u Url, name: &str) -> impl Iterator<Item = Cow<'u, str>> {
    url.query_pairs().filter(move |(found, _)| found == name).map(|(_, value)| value)
}

/// The URL with this value for the parameter, in place of all that it has.
pub(crate) fn with<'u>(url: &'u Url, name: &str, value: &str) -> Cow<'u, Url> {
    let mut values = values(url, name);
    let first = values.next();
    if first.as_deref() == Some(value) && values.next().is_none() {
        return Cow::Borrowed(url);
    }
    let mut changed = url.clone();
    if first.is_some() {
        changed.set_query(without(url, name).as_deref());
    }
    changed.query_pairs_mut().append_pair(name, value);
    Cow::Owned(changed)
}

/// The query without the parameter; `None` if there is nothing else in it.
pub(crate) fn without(url: &Url, name: &str) -> Option<String> {
    // Pairs that are empty are no pairs.
    let written = url.query()?.split('&').filter(|pair| !pair.is_empty());
    let others = url.query_pairs().zip(written).filter(|((found, _), _)| found != name).map(|(_, pair)| pair);
    let others: Vec<_> = others.collect();
    (!others.is_empty()).then(|| others.join("&"))
}

/// A value as it is in a query.
pub(crate) fn encoded(value: &str) -> String {
    let Ok(mut url) = Url::parse("query:") else { return String::new() };
    url.query_pairs_mut().append_key_only(value);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(query: &str) -> Url {
        format!("https://a.example/b{query}").parse().unwrap()
    }

    #[test]
    fn parameter_is_set_and_the_others_stay() {
        for (query, expected) in [
            ("", "?requestid=k%2F1"),
            ("?", "?requestid=k%2F1"),
            ("?a=%41+b&b", "?a=%41+b&b&requestid=k%2F1"),
            ("?requestid=old&a=%41", "?a=%41&requestid=k%2F1"),
            ("?r%65questid=old&&a=1&requestid", "?a=1&requestid=k%2F1"),
            ("?requestid=old", "?requestid=k%2F1"),
            ("?RequestId=other", "?RequestId=other&requestid=k%2F1"),
            // As the caller has written it.
            ("?requestid=k/1&a", "?requestid=k/1&a"),
            ("?requestid=k/1&requestid=k/1", "?requestid=k%2F1"),
        ] {
            assert_eq!(with(&url(query), "requestid", "k/1").as_str(), url(expected).as_str(), "{query}");
        }
    }

    #[test]
    fn parameter_is_found_and_left_out() {
        let found = |query: &str| values(&url(query), "requestid").map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(found("?a=1&requestid=k%2F1&r%65questid=2"), ["k/1", "2"]);
        assert_eq!(found("?a=requestid"), [""; 0]);
        let without = |query: &str| without(&url(query), "requestid");
        assert_eq!(without("?a=%41&requestid=1&b=+&r%65questid=2").as_deref(), Some("a=%41&b=+"));
        assert_eq!((without("?requestid=1"), without(""), without("?")), (None, None, None));
        assert_eq!(encoded("k/1 +\u{e9}"), "k%2F1+%2B%C3%A9");
    }
}
