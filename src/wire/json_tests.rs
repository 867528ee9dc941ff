//! Members are found in any document, and no document does harm.

use super::json::{Member, Members, Pointers, member, written};

fn members<'d, 'p>(document: &'d [u8], pointers: impl IntoIterator<Item = &'p str>) -> Members<'d> {
    Pointers::new(pointers).find(str::from_utf8(document).unwrap())
}

fn text(text: &str) -> Option<Member> {
    Some(Member::Text(text.into()))
}

#[test]
fn glance_at_the_text_misses_nothing() {
    let text = |document: &str, pointer| member(document.as_bytes(), pointer).and_then(Member::into_text);
    for (document, pointer, found) in [
        (r#" {"a":"x"}"#, "/a", Some("x")),
        (r#"{"\u0061":"x"}"#, "/a", Some("x")),
        (r#"[{"a":"x"}]"#, "/0/a", Some("x")),
        (r#"{"b":"a"}"#, "/a", None),
        (r#""a""#, "/a", None),
        ("", "/a", None),
        ("a", "/a", None),
    ] {
        assert_eq!(text(document, pointer).as_deref(), found, "{document} {pointer}");
    }
}

#[test]
fn members_are_found_by_pointer() {
    let body =
        br#"{"message":"m","n":704,"b":true,"x":null,"error":{"code":"c","list":[1,{"deep":"d"}]},"e":[],"o":{},"w":[ ],"v":{
},"a/b~1":"slash"}"#;
    for (pointer, expected) in [
        ("/message", text("m")),
        ("/n", Some(Member::Literal("704".into()))),
        ("/b", Some(Member::Literal("true".into()))),
        ("/x", Some(Member::Empty)),
        ("/e", Some(Member::Empty)),
        ("/o", Some(Member::Empty)),
        ("/w", Some(Member::Empty)),
        ("/v", Some(Member::Empty)),
        ("/error", Some(Member::Filled)),
        ("/error/list", Some(Member::Filled)),
        ("/error/code", text("c")),
        ("/error/list/1/deep", text("d")),
        ("/error/list/7", None),
        ("/error/list/x", None),
        ("/message/code", None),
        ("/missing", None),
        ("/a~1b~01", text("slash")),
        ("/list/x", None),
    ] {
        assert_eq!(member(body, pointer), expected, "{pointer}");
    }
}

#[test]
fn several_members_are_found_in_one_pass() {
    let body = br#"{"a":"1","b":{"c":"2","a":"3"},"l":["4",{"a":5}],"a":"6","b":{"c":"7"}}"#;
    let found = members(body, ["/x", "/a", "/b/c", "/b/a", "/l/1/a", "/l/0", "/b", "/a"]);
    let text = |place: usize| found.text(place..place + 1);
    assert_eq!(text(0), None);
    assert_eq!(text(1).as_deref(), Some("6"), "the last of one name counts");
    assert_eq!(text(2).as_deref(), Some("7"));
    assert_eq!(text(3), None, "the last of one name counts, with what it lacks");
    assert_eq!((text(4).as_deref(), text(5).as_deref()), (Some("5"), Some("4")));
    assert_eq!(text(6), None, "no text");
    assert_eq!(text(7).as_deref(), Some("6"), "asked for twice");
    let found = members(body, ["/x", "/b", "/l/0", "/a"]);
    assert_eq!(found.text(0..4).as_deref(), Some("4"), "the first that is there");
    for broken in [&b""[..], b"{\"a\":\"1\"", b"{\"a\":\"1\"} x"] {
        assert_eq!(members(broken, ["/a"]).text(0..1), None);
    }
}

#[test]
fn any_number_of_members_is_found() {
    let names: Vec<String> = (0..200).map(|number| format!("/m{number}/~0/0")).collect();
    let body = br#"{"m3":{"~":["a"]},"m64":{"~":["b\\"]},"m199":{"~":["c"]},"m200":{"~":["d"]}}"#;
    let found = members(body, names.iter().map(String::as_str));
    let found: Vec<_> = (0..201).filter_map(|place| Some((place, found.text(place..place + 1)?))).collect();
    assert_eq!(found, [(3, "a".to_owned()), (64, "b\\".to_owned()), (199, "c".to_owned())]);
}

#[test]
fn numbers_are_kept_as_written() {
    for number in ["12345678901234567890123", "1e400", "1.10", "-0", "1E+2", "0.1234567890123456789"] {
        let body = format!(r#"{{"a":{number} ,"b":[ {number}]}}"#);
        for pointer in ["/a", "/b/0"] {
            assert_eq!(member(body.as_bytes(), pointer), Some(Member::Literal(number.into())), "{pointer}");
        }
        assert_eq!(members(body.as_bytes(), ["/a"]).text(0..1).as_deref(), Some(number));
        assert_eq!(member(number.as_bytes(), ""), Some(Member::Literal(number.into())));
    }
}

#[test]
fn half_a_surrogate_pair_hides_nothing() {
    for other in [r#""x":"\ud800""#, r#""\ud800":1"#, r#""x":{"\udc00":1e999}"#, r#""error":"\ud83d""#] {
        for body in [format!(r#"{{{other},"message":"m"}}"#), format!(r#"{{"message":"m",{other}}}"#)] {
            assert_eq!(member(body.as_bytes(), "/message"), text("m"), "{body}");
            let found = members(body.as_bytes(), ["/error/code", "/message"]);
            assert_eq!(found.text(0..2).as_deref(), Some("m"), "{body}");
        }
    }
    for (written, read) in [
        (r"a\ud800b", "a\u{fffd}b"),
        (r"\udc00", "\u{fffd}"),
        (r"\ud800\ud800\n", "\u{fffd}\u{fffd}\n"),
        (r"\ud83d\ude00\ude00", "\u{1f600}\u{fffd}"),
    ] {
        let body = format!(r#"{{"error":["{written}"]}}"#);
        assert_eq!(member(body.as_bytes(), "/error/0"), text(read), "{written}");
    }
}

#[test]
fn hostile_documents_do_not_panic() {
    let bomb = "[".repeat(100_000);
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for body in [
        &b""[..],
        b"null",
        b"<html>",
        b"{",
        b"{\"message\":",
        b"{\"a\":1}x",
        b"\xff\xfe",
        bomb.as_bytes(),
        nested.as_bytes(),
    ] {
        assert_eq!(member(body, "/message"), None, "{:?}", &body[..body.len().min(20)]);
    }
    assert_eq!(member(b"\xef\xbb\xbf{\"message\":\"x\"}", "/message"), text("x"));
    assert_eq!(member(b"{\"message\":\"a\xffb\"}", "/message"), text("a\u{fffd}b"));
    assert_eq!(member(b"{\"mess\\u0061ge\":\"x\"}", "/message"), text("x"));
}

#[test]
fn member_is_found_as_it_is_written() {
    let document = "\u{feff}{\"data\":[ {\"id\": 1.00} ,\"b\"],\"a/b~\":{\"data\":[]}, \"data2\":null}";
    for (pointer, expected) in [
        ("/data/0", Some("{\"id\": 1.00}")),
        ("/data/0/id", Some("1.00")),
        ("/data/1", Some("\"b\"")),
        ("/a~1b~0/data", Some("[]")),
        ("/data2", Some("null")),
        ("", Some(&document[3..])),
        ("/data/2", None),
        ("/data/b", None),
        ("/data/0/id/x", None),
        ("/data2/x", None),
        ("data", None),
    ] {
        assert_eq!(written(document.as_bytes(), pointer), expected, "{pointer}");
    }
    assert_eq!(written(b"{\"a\":1,\"a\":2}", "/a"), Some("2"));
    for document in ["", "{", "{\"a\":1} x", "\u{feff}"] {
        assert_eq!(written(document.as_bytes(), "/a"), None, "{document}");
    }
    assert_eq!(written(b"{\"a\":\"\xff\"}", "/a"), None);
}
