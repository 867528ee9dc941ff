//! The shipped descriptions: every rule has a source, and the README's table of them is current.

use std::fmt::Write as _;

use reqwest_safe_retry::{Evidence, Idempotency, KeyFormat, KeyKind, Rule, Service, services};

pub(super) fn shipped() -> Vec<Service> {
    vec![
        Service::metronome(),
        services::stripe::v1(),
        services::stripe::v2(),
        services::adyen(),
        services::orb(),
        services::paypal(),
        services::checkout_com(),
        services::zuora(),
        services::modern_treasury(),
        services::increase(),
        services::solid(),
        services::fireblocks(),
        services::openai(),
        services::idempotency_key_draft("idempotency_key_draft", "https://api.example.com").build().unwrap(),
        services::square(),
        services::plaid(),
        services::lago(),
        services::lago_deduplicated(),
        services::dwolla(),
        services::column(),
        services::moov(),
        services::klarna(),
        services::coinbase_cdp(),
        services::resend(),
        services::circle(),
        services::mollie(),
        services::truelayer(),
        services::bridge(),
        services::worldline(),
        services::anthropic(),
    ]
}

/// The key rules that hold for some endpoint.
fn rules_of(service: &Service) -> impl Iterator<Item = &Idempotency> {
    let of_service = std::iter::once(service.idempotency());
    let without_own = service.routes().iter().any(|route| route.keyed == Some(true) && route.idempotency.is_none());
    let counts = !service.idempotency().methods.is_empty() || without_own;
    of_service.filter(move |_| counts).chain(service.routes().iter().filter_map(|route| route.idempotency.as_deref()))
}

#[test]
fn every_rule_has_a_dated_page() {
    for service in shipped() {
        let name = service.name();
        let sources = service.sources();
        for source in sources {
            assert!(source.page.starts_with("https://"), "{name}: {}", source.page);
            let parts: Vec<_> = source.read.split('-').map(|part| part.parse::<u32>().unwrap()).collect();
            assert!((1..=3).contains(&parts.len()) && parts[0] >= 2026, "{name}: read on {}", source.read);
        }
        let from = |rule| sources.iter().any(|source| source.rules.contains(&rule));
        assert!(from(Rule::Key) && from(Rule::Stored), "{name}");
        let kept = rules_of(&service).any(|keys| keys.retention.is_some());
        assert_eq!(from(Rule::Retention), kept, "{name}: retention");
        let sure = [Evidence::Documented, Evidence::SourceCode];
        let key = sources.iter().find(|source| source.rules.contains(&Rule::Key)).unwrap();
        assert!(sure.contains(&key.evidence), "{name}: a service ships only if its vendor documents its keys");
    }
}

#[test]
fn names_and_base_urls_differ() {
    let mut names: Vec<_> = shipped().iter().map(|service| service.name().to_owned()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
    // One address is described twice: a layer has the one or the other.
    let services = shipped().into_iter().filter(|service| service.name() != "lago_deduplicated");
    reqwest_safe_retry::SafeRetry::try_new(services).unwrap();
}

fn after_5xx(service: &Service) -> &'static str {
    match service.idempotency().kind {
        KeyKind::ReplaySuccess => "same key, never a new one",
        KeyKind::ReplayAll => "same key once, then a new one after a verdict",
        KeyKind::Signalled => "same key if a header says so, else stop",
        KeyKind::InvalidatedByError => "a new key after a verdict",
        KeyKind::ResourceKey => "same key: a repeat creates nothing more",
        _ => "not sent again",
    }
}

/// The endpoints that have a key.
fn keyed(service: &Service) -> String {
    let listed = service.routes().iter().filter(|route| route.keyed.unwrap_or(route.idempotency.is_some())).count();
    match &service.idempotency().methods[..] {
        [] if listed == 0 => "none".into(),
        [] => format!("{listed} endpoint{}", if listed == 1 { "" } else { "s" }),
        methods => methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// How long keys are kept; from the shortest time to the longest if endpoints differ.
fn kept(service: &Service) -> String {
    let stated: Vec<_> = rules_of(service).filter_map(|keys| keys.retention).collect();
    let text = |kept: &std::time::Duration| match kept.as_secs() / 3600 {
        hours if hours >= 72 => format!("{} days", hours / 24),
        hours => format!("{hours} h"),
    };
    match (stated.iter().min(), stated.iter().max()) {
        (Some(shortest), Some(longest)) if shortest != longest => format!("{} to {}", text(shortest), text(longest)),
        (Some(all), _) => text(all),
        _ => "not stated".into(),
    }
}

/// What becomes of a second request with a key that is just being used.
fn at_once(service: &Service) -> String {
    match service.idempotency().kind {
        KeyKind::Unsupported => "executed".into(),
        _ => service.idempotency().concurrent_requests.to_string(),
    }
}

fn row(service: &Service) -> String {
    let keys = service.idempotency();
    let place = match (&keys.header, &keys.query, &keys.body_member) {
        (Some(name), ..) if keys.format == KeyFormat::StructuredString => format!("`{}`, in quotes", name.as_str()),
        (Some(name), ..) => format!("`{}`", name.as_str()),
        (None, Some(name), _) => format!("query, `{name}`"),
        (None, None, Some(pointer)) => format!("body, `{pointer}`"),
        (None, None, None) => "none".into(),
    };
    let source = service.sources().iter().find(|source| source.rules.contains(&Rule::Stored)).unwrap();
    format!(
        "| {} | {place} | {} | {:?} | {} | {} | {} | [{}]({}) |",
        service.name(),
        keyed(service),
        keys.kind,
        after_5xx(service),
        at_once(service),
        kept(service),
        source.read,
        source.page
    )
}

/// Written anew with `UPDATE_README=1 cargo test --test it readme_table`.
#[test]
fn readme_table_is_current() {
    const BEGIN: &str = "<!-- services: generated by a test -->\n";
    const END: &str = "<!-- end of services -->";
    let mut table = String::from(
        "\n| service | key | on | stored | a write after a 500 | a second request at once | kept | source, read |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for service in shipped() {
        writeln!(table, "{}", row(&service)).unwrap();
    }
    table.push('\n');
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/services.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has the table's beginning");
    let (found, after) = rest.split_once(END).expect("the README has the table's end");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, table, "the README's table is not current: run the test with UPDATE_README=1");
}
