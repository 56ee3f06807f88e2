//! Holds the guide's text against the code that is compiled.

use std::path::Path;

const CODE: [&str; 5] = [
    include_str!("by_hand.rs"),
    include_str!("first.rs"),
    include_str!("operations.rs"),
    include_str!("running.rs"),
    include_str!("steps.rs"),
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
        .join("../docs")
        .join(name);
    std::fs::read_to_string(path).expect("the guide can be read")
}

#[test]
fn every_block_is_in_the_code() {
    let blocks = blocks(&guide("guide.md"));
    assert!(blocks.len() > 15, "{}", blocks.len());
    let code: Vec<String> = CODE.iter().map(|code| unindented(code)).collect();
    for block in blocks {
        let wanted = unindented(&block);
        assert!(
            code.iter().any(|code| code.contains(&wanted)),
            "this block of the guide is not in examples/tests/guide:\n{block}"
        );
    }
}

#[test]
fn so_is_that_of_the_front_page() {
    let code = unindented(include_str!("first.rs"));
    for page in ["../README.md", "../README.zh-CN.md"] {
        let blocks = blocks(&guide(page));
        assert_eq!(blocks.len(), 1, "{page}");
        assert!(code.contains(&unindented(&blocks[0])), "{page}");
    }
}

#[test]
fn the_translation_has_the_same_code() {
    assert_eq!(blocks(&guide("guide.zh-CN.md")), blocks(&guide("guide.md")));
}
