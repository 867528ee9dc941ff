//! What no file can hold is added to its services by their names.

use reqwest_safe_retry::{InDoubtWrite, Verdict, VerifierFn};

use super::{EXAMPLE, toml};

fn unknown(_: &InDoubtWrite<'_>) -> impl Future<Output = Verdict> + Send + use<> {
    std::future::ready(Verdict::Unknown)
}

#[test]
fn hooks_are_given_by_name() {
    let file = toml(EXAMPLE).verifier("billing", VerifierFn::new(unknown)).unwrap();
    let file = file.verifier_fn("payments", unknown).unwrap();
    let file = file.limit_key("metronome", |request| request.json("/customer_id")).unwrap();
    let services = file.clone().build().unwrap();
    let verified: Vec<_> = services.iter().map(|service| format!("{service:?}").contains("verifier: true")).collect();
    assert_eq!(verified, [true, false, false, false, false, true, false]);

    let error = file.clone().verifier("biling", VerifierFn::new(unknown)).unwrap_err();
    let names = "billing, invoicing, ledger, metronome, metronome_sandbox, payments, shops";
    let expected = format!("services.biling: is not in the file, which has {names}");
    assert_eq!(error.to_string(), expected);
    assert_eq!(file.limit_key("biling", |_| None).unwrap_err().to_string(), expected);
    let error = toml("[services]").limit_key("a", |_| None).unwrap_err();
    assert_eq!(error.to_string(), "services.a: is not in the file, which has no services");
}
