//! The figures as tables and as JSON.

use std::{fmt::Write, io};

use serde_json::{Value, json};

use crate::{
    common::{Chain, features, write_to_target},
    instructions::Instructions,
    load::Row,
    waiting::Waiting,
};

pub(crate) fn tables(rows: &[Row], instructions: &[Instructions], waiting: &[Waiting]) -> String {
    let mut text =
        String::from("| at once | | chain | throughput | client CPU | p50 | p99 |\n|---|---|---|---|---|---|---|\n");
    for Row { verb, at_once, chain, throughput, cpu, p50, p99 } in rows {
        let cpu = cpu.map_or("-".to_owned(), |cpu| format!("{cpu:.3}"));
        let (verb, chain) = (verb.name(), chain.name());
        let row = format!("| {at_once} | {verb} | {chain} | {throughput:.3} | {cpu} | {p50:.3} | {p99:.3} |");
        let _ = writeln!(text, "{row}");
    }
    text.push_str("\n| instructions of one call over loopback | chain | of the bare client |\n|---|---|---|\n");
    for Instructions { chain, verb, each } in instructions {
        let bare = instructions.iter().find(|bare| bare.chain == Chain::Floor && bare.verb == *verb);
        let ratio = each.zip(bare.and_then(|bare| bare.each)).map(|(each, bare)| each as f64 / bare as f64);
        let figures = each.zip(ratio).map_or("-".to_owned(), |(each, ratio)| format!("{each} ({ratio:.3})"));
        let _ = writeln!(text, "| {} | {} | {figures} |", verb.name(), chain.name());
    }
    text.push_str("\n| waiting | calls | heap each |\n|---|---|---|\n");
    for Waiting { what, calls, bytes } in waiting {
        let _ = writeln!(text, "| {what} | {calls} | {bytes} B |");
    }
    text
}

pub(crate) fn write_json(rows: &[Row], instructions: &[Instructions], waiting: &[Waiting]) -> io::Result<()> {
    let rows = rows.iter().map(|row| {
        json!({
            "at_once": row.at_once,
            "method": row.verb.name(),
            "chain": row.chain.name(),
            "throughput": row.throughput,
            "cpu": row.cpu,
            "p50": row.p50,
            "p99": row.p99,
        })
    });
    let instructions = instructions
        .iter()
        .map(|one| json!({ "chain": one.chain.name(), "method": one.verb.name(), "instructions": one.each }));
    let waiting = waiting.iter().map(|one| json!({ "what": one.what, "calls": one.calls, "bytes": one.bytes }));
    let all = json!({
        "features": features(),
        "threads": 1,
        "ratios": rows.collect::<Vec<Value>>(),
        "instructions": instructions.collect::<Vec<Value>>(),
        "waiting": waiting.collect::<Vec<Value>>(),
    });
    write_to_target("loopback.json", &all)
}
