//! The notation of the table's programs: `REQ{ w(a) NEW{ w(b) fail } caught }`.
//!
//! A program is a list of words. A word may have arguments in round brackets, and blocks in curly ones,
//! divided by `|`. `caught` after a word swallows its result, which is told.

use std::sync::Arc;

/// A list of words.
pub type Block = Arc<[Item]>;

/// One word of a program, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The word.
    pub word: String,
    /// What stands in round brackets.
    pub arguments: Vec<String>,
    /// What stands in curly brackets.
    pub blocks: Vec<Block>,
    /// Whether its result is swallowed.
    pub caught: bool,
}

impl Item {
    /// Its argument at a place.
    pub fn argument(&self, place: usize) -> Option<&str> {
        self.arguments.get(place).map(String::as_str)
    }

    /// What an argument of the form `name=value` says.
    pub fn named(&self, name: &str) -> Option<&str> {
        let value = |argument: &'_ String| {
            let (found, _) = argument.split_once('=')?;
            (found == name).then_some(())
        };
        let found = self
            .arguments
            .iter()
            .find(|argument| value(argument).is_some())?;
        found.split_once('=').map(|(_, value)| value)
    }

    /// Whether it has this argument.
    pub fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|argument| argument == name)
    }

    /// Its first block; an empty one where it has none.
    pub fn block(&self) -> Block {
        self.blocks
            .first()
            .map_or_else(|| Arc::from([]), Arc::clone)
    }

    /// Whether it, or something within it, says this.
    pub fn mentions(&self, argument: &str) -> bool {
        let mut within = self.blocks.iter().flat_map(|block| block.iter());
        self.has(argument) || within.any(|item| item.mentions(argument))
    }
}

/// The words that a program may use.
const WORDS: &[&str] = &[
    "REQ",
    "SUP",
    "MAN",
    "NEW",
    "NOT",
    "NEV",
    "NES",
    "w",
    "r",
    "u",
    "raw",
    "hidden",
    "plain",
    "sql",
    "ask",
    "fail",
    "mark",
    "value",
    "look",
    "hook",
    "listen",
    "savepoint",
    "to",
    "release",
    "keep",
    "kept",
    "sleep",
    "kill",
    "stop",
    "dropped",
    "settle",
    "join",
    "tasks",
    "meet",
    "spawn",
    "panic",
    "panics",
];

/// Reads a program.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Block, String> {
    let mut reader = Reader {
        tokens: tokens(text)?,
        at: 0,
    };
    let block = reader.block()?;
    match reader.next() {
        None => Ok(block),
        Some(token) => Err(format!("`{token}` closes nothing")),
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        if c.is_alphanumeric() || "_=-.".contains(c) {
            match tokens.last_mut() {
                Some(word) if open => word.push(c),
                _ => tokens.push(c.to_string()),
            }
            open = true;
        } else {
            open = false;
            if "(){}|,".contains(c) {
                tokens.push(c.to_string());
            } else if !c.is_whitespace() {
                return Err(format!("`{c}` means nothing"));
            }
        }
    }
    Ok(tokens)
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn is_next(&mut self, token: &str) -> bool {
        let is = self.peek() == Some(token);
        self.at += usize::from(is);
        is
    }

    fn block(&mut self) -> Result<Block, String> {
        let mut items = Vec::new();
        while let Some(token) = self.peek()
            && !["}", "|"].contains(&token)
        {
            items.push(self.item()?);
        }
        Ok(items.into())
    }

    fn item(&mut self) -> Result<Item, String> {
        let word = self.next().unwrap_or_default();
        if !WORDS.contains(&word.as_str()) {
            return Err(format!("`{word}` is not a word"));
        }
        let mut item = Item {
            word,
            arguments: Vec::new(),
            blocks: Vec::new(),
            caught: false,
        };
        if self.is_next("(") {
            loop {
                match self.next() {
                    Some(token) if token == ")" => break,
                    Some(token) if token == "," => {}
                    Some(token) => item.arguments.push(token),
                    None => return Err("a `)` is missing".to_owned()),
                }
            }
        }
        if self.is_next("{") {
            item.blocks.push(self.block()?);
            while self.is_next("|") {
                item.blocks.push(self.block()?);
            }
            if !self.is_next("}") {
                return Err("a `}` is missing".to_owned());
            }
        }
        item.caught = self.is_next("caught");
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn words_arguments_and_blocks() {
        let program =
            parse("REQ(ro, name=x){ w(a) NEW{ fail } caught } join{ w(b) | w(c) }").unwrap();
        assert_eq!(program.len(), 2);
        let req = &program[0];
        assert!(req.has("ro") && !req.has("name"));
        assert_eq!(req.named("name"), Some("x"));
        assert!(req.block()[1].caught && !req.caught);
        assert_eq!(program[1].blocks.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (program, wrong) in [
            ("REQ{ w(a)", "a `}` is missing"),
            ("REQ{ w(a }", "a `)` is missing"),
            ("RIQ{ }", "`RIQ` is not a word"),
            ("w(a) }", "`}` closes nothing"),
            ("w(a); w(b)", "`;` means nothing"),
        ] {
            assert_eq!(parse(program).unwrap_err(), wrong, "{program}");
        }
    }
}
