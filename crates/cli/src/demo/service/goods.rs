//! What each service takes and returns: its paths, its bodies, and how it says no.
//!
//! Reads and writes JSON and nothing else; whether there is enough is the books' business.

use serde_json::{Map, Value, json};

use crate::demo::shop::Kind;

/// A body that the service cannot read: the caller's mistake, answered by 400.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub(super) struct Malformed {
    field: String,
    expected: &'static str,
}

/// Something to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) item: String,
    pub(super) amount: i64,
}

/// Something that was taken, under the receipt that the service gave for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) receipt: String,
    pub(super) item: String,
    pub(super) amount: i64,
}

/// What a service calls things in its bodies.
struct Names {
    receipt: &'static str,
    item: &'static str,
    /// `None` where it is always one piece.
    amount: Option<&'static str>,
}

impl Kind {
    /// The paths of the action and of the compensation.
    pub(in crate::demo) const fn paths(self) -> (&'static str, &'static str) {
        match self {
            Self::Stock => ("/deduct", "/add"),
            Self::Points => ("/deduct", "/return"),
            Self::Bonus | Self::Coupon => ("/use", "/return"),
        }
    }

    /// Whether a refusal is a 409; else it is a 200 with `isSuccess: false`.
    pub(in crate::demo) const fn refuses_by_status(self) -> bool {
        matches!(self, Self::Stock | Self::Points)
    }

    const fn names(self) -> Names {
        match self {
            Self::Stock => Names {
                receipt: "lot",
                item: "sku",
                amount: Some("qty"),
            },
            Self::Points => Names {
                receipt: "deduction",
                item: "user",
                amount: Some("points"),
            },
            Self::Bonus => Names {
                receipt: "deduction",
                item: "user",
                amount: Some("amount"),
            },
            Self::Coupon => Names {
                receipt: "use",
                item: "coupon",
                amount: None,
            },
        }
    }

    /// Reads the body of an action.
    pub(super) fn read_wants(self, body: &Value) -> Result<Vec<Want>, Malformed> {
        self.lines(body, "items")?
            .into_iter()
            .map(|line| self.read_want(line))
            .collect()
    }

    /// Reads the body of a compensation. Whether the receipts are real is not looked at: this
    /// service trusts its caller, which is why the books are audited.
    pub(super) fn read_taken(self, body: &Value) -> Result<Vec<Taken>, Malformed> {
        self.lines(body, "list")?
            .into_iter()
            .map(|line| self.read_receipt(line))
            .collect()
    }

    /// The answer to an action that took effect, which the compensation has to give back.
    pub(super) fn write_taken(self, taken: &[Taken]) -> Value {
        let lines = taken.iter().map(|taken| self.write_line(taken));
        match self {
            Self::Stock => json!({"isSuccess": true, "list": lines.collect::<Vec<_>>()}),
            Self::Points | Self::Bonus | Self::Coupon => {
                let mut answer = Map::from_iter([("isSuccess".to_owned(), Value::Bool(true))]);
                answer.extend(lines.flatten());
                Value::Object(answer)
            }
        }
    }

    /// Stock handles a list under a name; the others handle one thing, which is the body itself.
    fn lines<'a>(self, body: &'a Value, list: &str) -> Result<Vec<&'a Value>, Malformed> {
        if self != Self::Stock {
            return Ok(vec![body]);
        }
        match body.get(list).and_then(Value::as_array) {
            Some(lines) if !lines.is_empty() => Ok(lines.iter().collect()),
            _ => Err(Malformed {
                field: list.to_owned(),
                expected: "a list that is not empty",
            }),
        }
    }

    fn read_want(self, line: &Value) -> Result<Want, Malformed> {
        let names = self.names();
        Ok(Want {
            item: text(line, names.item)?,
            amount: amount(line, names.amount)?,
        })
    }

    fn read_receipt(self, line: &Value) -> Result<Taken, Malformed> {
        let Want { item, amount } = self.read_want(line)?;
        Ok(Taken {
            receipt: text(line, self.names().receipt)?,
            item,
            amount,
        })
    }

    fn write_line(self, taken: &Taken) -> Map<String, Value> {
        let names = self.names();
        let mut line = Map::new();
        line.insert(names.receipt.to_owned(), taken.receipt.clone().into());
        line.insert(names.item.to_owned(), taken.item.clone().into());
        if let Some(name) = names.amount {
            line.insert(name.to_owned(), taken.amount.into());
        }
        line
    }
}

/// A text field that is not empty.
pub(super) fn text(object: &Value, field: &str) -> Result<String, Malformed> {
    match object.get(field).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Malformed {
            field: field.to_owned(),
            expected: "a text that is not empty",
        }),
    }
}

fn amount(object: &Value, field: Option<&str>) -> Result<i64, Malformed> {
    let Some(field) = field else { return Ok(1) };
    match object.get(field).and_then(Value::as_i64) {
        Some(amount) if amount > 0 => Ok(amount),
        _ => Err(Malformed {
            field: field.to_owned(),
            expected: "a whole number above 0",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_action_answers_is_what_the_compensation_reads() {
        let taken = vec![Taken {
            receipt: "lot-1".to_owned(),
            item: "sku-01".to_owned(),
            amount: 1,
        }];
        for kind in Kind::ALL {
            assert_eq!(
                kind.read_taken(&kind.write_taken(&taken)),
                Ok(taken.clone()),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let malformed = |kind: Kind, body| kind.read_wants(&body).unwrap_err().to_string();
        assert_eq!(
            malformed(Kind::Stock, json!({})),
            "items: expected a list that is not empty"
        );
        assert_eq!(
            malformed(Kind::Points, json!({"user": "u", "points": 1.5})),
            "points: expected a whole number above 0"
        );
        assert_eq!(
            malformed(Kind::Coupon, json!({"coupon": null})),
            "coupon: expected a text that is not empty"
        );
    }
}
