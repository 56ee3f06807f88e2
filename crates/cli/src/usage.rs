//! What is said when the command line cannot be understood: one line, with the way out.

use clap::error::ErrorKind;

use crate::exit::Exit;
use crate::output;

/// Shows help where it was asked for; else says on one line what is wrong.
pub(crate) fn explain(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever has closed the pipe has read enough.
            let _ = output::print(&error.render().ansi().to_string());
            Exit::Success
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::say(error.render().ansi().to_string().trim_end());
            Exit::Usage
        }
        _ => {
            output::complain(&line(&error.render().to_string()));
            Exit::Usage
        }
    }
}

/// The error, the tip where there is one, and where to read more; clap writes paragraphs.
fn line(text: &str) -> String {
    let mut said = Vec::new();
    for paragraph in text.split("\n\n") {
        let paragraph = paragraph.trim();
        if paragraph.starts_with("Usage:") || paragraph.starts_with("For more information") {
            continue;
        }
        let paragraph = paragraph.strip_prefix("error: ").unwrap_or(paragraph);
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        said.push(words.join(" "));
    }
    said.push(format!("see `{} --help`", command(text)));
    said.join("; ")
}

/// The command and subcommand that the usage is about.
fn command(text: &str) -> String {
    let usage = text.split("Usage: ").nth(1).unwrap_or("settled");
    let words = usage
        .split_whitespace()
        .take_while(|word| {
            word.chars()
                .all(|sign| sign.is_ascii_lowercase() || sign == '-')
        })
        .take_while(|word| !word.starts_with('-'));
    let words: Vec<&str> = words.collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_become_one_line() {
        let text = "error: unexpected argument '--lisen' found\n\n  tip: a similar argument exists: \
                    '--listen'\n\nUsage: settled serve --listen <ADDRESS>\n\nFor more \
                    information, try '--help'.\n";
        assert_eq!(
            line(text),
            "unexpected argument '--lisen' found; tip: a similar argument exists: '--listen'; see \
             `settled serve --help`"
        );
    }
}
