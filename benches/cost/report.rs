//! The costs as a table, as JSON, and against what was agreed.

use std::io;

use serde_json::{Value, json};

use crate::{
    canned::Case,
    common::{Chain, Verb, features, write_to_target},
    measure::Cost,
};

/// A row per kind of call, a column per chain: instructions, as a multiple of the empty chain's, and allocations.
pub(crate) fn table(costs: &[Cost]) -> String {
    let mut table = String::from("| call |");
    table.extend(Chain::ALL.iter().map(|chain| format!(" {} |", chain.name())));
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Chain::ALL.len()));
    for case in Case::all() {
        for verb in Verb::ALL {
            let row: Vec<&Cost> = costs.iter().filter(|cost| (cost.case, cost.verb) == (case, *verb)).collect();
            if row.is_empty() {
                continue;
            }
            let empty = row.iter().find(|cost| cost.chain == Chain::Empty).and_then(|cost| cost.instructions);
            table.push_str(&format!("\n| {} {} |", verb.name(), case.name()));
            table.extend(row.iter().map(|cost| format!(" {} |", cell(cost, empty))));
        }
    }
    table
}

fn cell(cost: &Cost, empty: Option<u64>) -> String {
    match (cost.instructions, empty) {
        (Some(count), Some(empty)) => {
            format!("{count} ({:.2}), {}", count as f64 / empty as f64, cost.allocations)
        }
        _ => format!("-, {}", cost.allocations),
    }
}

pub(crate) fn write_json(costs: &[Cost]) -> io::Result<()> {
    let costs: Vec<Value> = costs
        .iter()
        .map(|cost| {
            json!({
                "chain": cost.chain.name(),
                "case": cost.case.name(),
                "method": cost.verb.name(),
                "instructions": cost.instructions,
                "allocations": cost.allocations,
                "bytes": cost.bytes,
                "features": features(),
                "threads": 1,
            })
        })
        .collect();
    write_to_target("cost.json", &Value::from(costs))
}

/// What a call may cost.
pub(crate) struct Agreed {
    /// As a multiple of the empty chain's instructions.
    ratio: f64,
    /// Allocations more than the empty chain's.
    allocations: u64,
}

/// What calls of the library with its default features may cost.
pub(crate) const AGREED: &[(Case, Verb, Agreed)] = &[
    (Case::Ok, Verb::Get, Agreed { ratio: 1.76, allocations: 2 }),
    (Case::Ok, Verb::Post, Agreed { ratio: 2.08, allocations: 5 }),
    (Case::NotFound, Verb::Get, Agreed { ratio: 2.35, allocations: 5 }),
    (Case::NotFound, Verb::Post, Agreed { ratio: 3.18, allocations: 17 }),
    (Case::UnavailableOk, Verb::Get, Agreed { ratio: 2.17, allocations: 4 }),
    (Case::UnavailableOk, Verb::Post, Agreed { ratio: 2.52, allocations: 9 }),
];

/// Prints how the layer compares, and tells whether that is what was agreed.
pub(crate) fn check(empty: Cost, layer: Cost, agreed: &Agreed) -> bool {
    let Agreed { ratio: most, allocations: more } = agreed;
    let name = format!("{} {}", layer.verb.name(), layer.case.name());
    let allocations = layer.allocations <= empty.allocations + more;
    println!("{name}: {} allocations, empty chain {} (agreed: {more} more)", layer.allocations, empty.allocations);
    let (Some(cost), Some(floor)) = (layer.instructions, empty.instructions) else {
        println!("{name}: no valgrind, so that instructions are not counted");
        return allocations;
    };
    let ratio = cost as f64 / floor as f64;
    println!("{name}: {cost} instructions, empty chain {floor}: {ratio:.3} (agreed: {most:.2})");
    allocations && ratio <= *most
}
