//! Submissions are many, definitions few: each distinct text is compiled once.
//!
//! A hit compares the text of `steps` with one that was compiled, and neither parses nor allocates
//! for it. The cache is bounded in entries and in bytes; it forgets what was not used of late.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use settled_protocol::{CompensateOrder, Json};

use super::fields::{self, Fields};
use super::raw::{self, MAX_NESTING};
use super::{Definition, Invalid, RESERVED, Submission, compile, document};

/// How many definitions, and bytes of their text, one generation holds. There are two.
const GENERATION_ENTRIES: usize = 500;
const GENERATION_BYTES: usize = 16 << 20;

/// The compiled definitions that were used last.
pub struct Definitions {
    seed: u64,
    /// The functions that are registered in this program, by name.
    functions: HashMap<Arc<str>, Arc<Definition>>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// What was used since the generations last changed places.
    young: HashMap<u64, Entry>,
    /// What was used before.
    old: HashMap<u64, Entry>,
    young_bytes: usize,
}

#[derive(Clone)]
struct Entry {
    compensate: CompensateOrder,
    steps: Arc<str>,
    definition: Arc<Definition>,
}

impl Default for Definitions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definitions").finish_non_exhaustive()
    }
}

impl Definitions {
    /// An empty cache.
    pub fn new() -> Self {
        Self {
            seed: RandomState::new().hash_one(0),
            functions: HashMap::new(),
            cache: Mutex::default(),
        }
    }

    /// As [`Definitions::new`], knowing the functions that are registered in this program.
    pub fn with_functions(functions: impl IntoIterator<Item = Definition>) -> Self {
        let named = |definition: Definition| {
            let name = Arc::clone(definition.function()?);
            Some((name, Arc::new(definition)))
        };
        Self {
            functions: functions.into_iter().filter_map(named).collect(),
            ..Self::new()
        }
    }

    /// Whether a function of this name is registered in this program.
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// What a registered function's sagas begin with.
    pub fn function(&self, name: &str) -> Option<&Arc<Definition>> {
        self.functions.get(name)
    }

    /// Reads a submission.
    pub fn parse(&self, body: &[u8]) -> Result<Submission, Invalid> {
        const SIGNS: &str = "._:-";
        let mut fields = Fields::document(body)?;
        let mut name = |member: &str| match fields.take(member) {
            None => Ok(None),
            Some(raw) => match fields::string(raw) {
                // What is Settled's own is told by its name: nobody else may be taken for it.
                Some(text) if text.starts_with(RESERVED) => Err(Invalid::new(
                    member,
                    format!("what begins with \"{RESERVED}\" is Settled's own; choose another"),
                )),
                Some(text) if document::is_name(&text, 128, SIGNS) => Ok(Some(text.into_owned())),
                _ => Err(fields.expected(member, "1 to 128 characters of A-Za-z0-9._:-", raw)),
            },
        };
        let id = name("id")?;
        let kind = name("name")?;
        let function = name("function")?;
        let deadline = fields.span("deadline")?;
        let input = match fields.take_null("input") {
            // A function without an input takes `()`, which is `null`.
            None if function.is_some() => Json::null(),
            None => Json::from_valid("{}"),
            Some(raw) if raw::nesting(raw.get()) > MAX_NESTING => {
                let why = format!("nested deeper than {MAX_NESTING} levels");
                return Err(Invalid::new("input", why));
            }
            Some(raw) => Json::from_valid(raw.get()),
        };
        if let Some(function) = function {
            fields.finish(&["id", "name", "function", "input", "deadline"])?;
            let Some(definition) = self.functions.get(&*function) else {
                let why = format!(
                    "no function is registered as {function:?} in this program; send `steps`, or \
                     submit it where the function is"
                );
                return Err(Invalid::new("function", why));
            };
            return Ok(Submission {
                id,
                name: kind.unwrap_or(function),
                input,
                deadline,
                by: None,
                definition: Arc::clone(definition),
            });
        }
        let compensate = document::order(&mut fields)?;
        let steps = fields
            .take("steps")
            .ok_or_else(|| fields.missing("steps", "a list of steps"))?;
        fields.finish(&[
            "id",
            "name",
            "function",
            "input",
            "deadline",
            "compensate",
            "steps",
        ])?;
        let definition = self.definition(compensate, steps)?;
        Ok(Submission {
            id,
            name: kind.unwrap_or_else(|| "saga".to_owned()),
            input,
            deadline,
            by: None,
            definition,
        })
    }

    /// Compiles a definition's document, as the journal keeps it.
    pub fn compile(&self, document: &str) -> Result<Arc<Definition>, Invalid> {
        let mut fields = Fields::document(document.as_bytes())?;
        let compensate = document::order(&mut fields)?;
        if let Some(function) = fields.take("function").and_then(fields::string) {
            let forward = fields.boolean("forward")?.unwrap_or_default();
            fields.finish(&["function", "compensate", "forward"])?;
            let known = self.functions.get(&*function).filter(|known| {
                let plan = known.plan();
                (plan.compensate, plan.forward) == (compensate, forward)
            });
            let anew = || Arc::new(Definition::of_function(&function, compensate, forward));
            return Ok(known.map_or_else(anew, Arc::clone));
        }
        let steps = fields
            .take("steps")
            .ok_or_else(|| fields.missing("steps", "a list of steps"))?;
        fields.finish(&["compensate", "steps"])?;
        self.definition(compensate, steps)
    }

    fn definition(
        &self,
        compensate: CompensateOrder,
        steps: &RawValue,
    ) -> Result<Arc<Definition>, Invalid> {
        let text = steps.get();
        let hash = hash(self.seed, text.as_bytes()) ^ compensate as u64;
        let known = |entry: &Entry| entry.compensate == compensate && &*entry.steps == text;
        if let Some(definition) = self.lock().get(hash, known) {
            return Ok(definition);
        }
        // Compiled outside the lock: it may take a while, and others only want a known one.
        let definition = Arc::new(compile::definition(compensate, steps)?);
        let entry = Entry {
            compensate,
            steps: text.into(),
            definition: Arc::clone(&definition),
        };
        self.lock().put(hash, entry);
        Ok(definition)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nothing is left half done by a panic: an entry is there or is not.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn get(&mut self, hash: u64, known: impl Fn(&Entry) -> bool) -> Option<Arc<Definition>> {
        if let Some(entry) = self.young.get(&hash) {
            return known(entry).then(|| Arc::clone(&entry.definition));
        }
        let entry = self.old.get(&hash).filter(|entry| known(entry))?.clone();
        let definition = Arc::clone(&entry.definition);
        self.put(hash, entry);
        Some(definition)
    }

    fn put(&mut self, hash: u64, entry: Entry) {
        if self.young.len() >= GENERATION_ENTRIES || self.young_bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += entry.steps.len();
        self.young.insert(hash, entry);
    }
}

/// A quick keyed hash. A collision costs a compilation and nothing else: texts are compared.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mix = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let mut state = seed ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk
            .iter()
            .rev()
            .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
        state = mix(state ^ word, 0x9e37_79b9_7f4a_7c15);
    }
    let tail = chunks
        .remainder()
        .iter()
        .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    mix(state ^ tail, 0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
#[path = "tests/cache.rs"]
mod tests;
