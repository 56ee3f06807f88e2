//! What the console says, in English and in Chinese, side by side.
//!
//! Texts are fields of a struct for each part of the console, so that none can be missing in either
//! language. Words of the journal (states, outcomes, kinds) are kept beside what people are shown of
//! them: one who reads a log finds the same word.

mod common;

pub(super) use common::Common;

/// A language of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// As in `lang`, and in the cookie.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::English, Self::Chinese]
            .into_iter()
            .find(|language| language.as_str() == text)
    }

    /// The first that a browser asks for and that there is.
    pub(super) fn accepted(header: &str) -> Option<Self> {
        header.split(',').find_map(|wanted| {
            let wanted = wanted.trim().to_ascii_lowercase();
            match wanted.split([';', '-']).next() {
                Some("zh") => Some(Self::Chinese),
                Some("en") => Some(Self::English),
                _ => None,
            }
        })
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    /// What it calls itself.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }
}

/// Declares the texts of a part of the console: `name: "English", "Chinese";`.
macro_rules! words {
    ($(#[$meta:meta])* $struct:ident { $($field:ident: $english:expr, $chinese:expr;)* }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(in crate::console) struct $struct {
            $(pub(in crate::console) $field: &'static str,)*
        }

        impl $struct {
            /// The texts in a language.
            pub(in crate::console) const fn of(
                language: $crate::console::words::Language,
            ) -> &'static Self {
                const ENGLISH: $struct = $struct { $($field: $english,)* };
                const CHINESE: $struct = $struct { $($field: $chinese,)* };
                match language {
                    $crate::console::words::Language::English => &ENGLISH,
                    $crate::console::words::Language::Chinese => &CHINESE,
                }
            }
        }
    };
}
pub(in crate::console) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_there_is_is_taken() {
        for (header, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Language::Chinese)),
            ("de-DE, en;q=0.5", Some(Language::English)),
            ("ZH-tw", Some(Language::Chinese)),
            ("fr", None),
            ("", None),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }
}
