//! Holds the text of `docs/transactions.md` against the code that is compiled.

use std::path::Path;

const CODE: [&str; 4] = [
    include_str!("beside.rs"),
    include_str!("ends.rs"),
    include_str!("seven.rs"),
    include_str!("ways.rs"),
];

/// The blocks of Rust in a text.
fn blocks(text: &str) -> Vec<String> {
    let parts = text.split("\n```rust\n").skip(1);
    parts
        .filter_map(|part| part.split_once("\n```").map(|(block, _)| block.to_owned()))
        .collect()
}

/// Without what a place within something else does to it.
fn unindented(code: &str) -> String {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    lines.join("\n")
}

fn guide(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_block_is_in_the_code() {
    let blocks = blocks(&guide("transactions.md"));
    assert!(blocks.len() > 12, "{}", blocks.len());
    let code: Vec<String> = CODE.iter().map(|code| unindented(code)).collect();
    for block in blocks {
        let wanted = unindented(&block);
        assert!(
            code.iter().any(|code| code.contains(&wanted)),
            "this block of the guide is not in tests/transactions/tests/guide:\n{block}"
        );
    }
}

#[test]
fn the_translation_has_the_same_code() {
    let translated = blocks(&guide("transactions.zh-CN.md"));
    assert_eq!(translated, blocks(&guide("transactions.md")));
}
