//! The options of alerts: where they go, what they are signed with, and what is told when.
//!
//! The secret is read from a file or the environment, never from the command line, which everybody on
//! the machine can read; and it is shown in no error.

use std::path::PathBuf;

use clap::Args;
use settled::alerts::AlertSettings;
use settled::participant::{AlertPost, AlertPostError, HttpSettings};
use settled::protocol::Span;
use settled::schedule::Timing;

use crate::error::CliError;

const SECRET: &str = "SETTLED_ALERT_SECRET";

/// Whom to tell of incidents.
#[derive(Clone, Debug, Args)]
pub(crate) struct AlertArgs {
    /// Where incidents are told of: CloudEvents are posted there, signed by Standard Webhooks
    #[arg(
        long,
        value_name = "URL",
        env = "SETTLED_ALERT_URL",
        hide_env_values = true
    )]
    alert_url: Option<String>,
    /// A file with the secret that alerts are signed with: any text of 24 bytes at least, or whsec_ and
    /// base64. The environment may have it too, as `SETTLED_ALERT_SECRET`
    #[arg(long, value_name = "FILE", requires = "alert_url")]
    alert_secret_file: Option<PathBuf>,
    /// How often to remind of an incident that is still open, or off
    #[arg(long, value_name = "DURATION", default_value = "4h", value_parser = remind)]
    alert_remind: Remind,
    /// When to send a digest, such as "0 9 * * *"; none where it is not given
    #[arg(long, value_name = "CRON", requires = "alert_url")]
    alert_digest: Option<String>,
    /// The time zone of --alert-digest
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    alert_timezone: String,
    /// Where people reach this server, for the links in alerts
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

/// How often to remind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remind(Option<Span>);

fn remind(text: &str) -> Result<Remind, String> {
    if text == "off" {
        return Ok(Remind(None));
    }
    Span::parse(text)
        .filter(|every| *every >= Span::from_secs(1))
        .map(|every| Remind(Some(every)))
        .ok_or_else(|| {
            "expected a duration of 1s at least such as 30m, 4h or 1d, or off".to_owned()
        })
}

/// Alerts as they were asked for.
pub(crate) struct AlertPlan {
    pub(crate) post: AlertPost,
    pub(crate) settings: AlertSettings,
    /// What is set in a way that may not be meant.
    pub(crate) warning: Option<String>,
}

impl AlertArgs {
    /// Whether people come in through TLS.
    pub(crate) fn is_secure(&self) -> bool {
        let public = self.public_url.as_deref();
        public.is_some_and(|url| url.starts_with("https://"))
    }

    /// What was asked for, where anything was; `http` says how calls are made.
    ///
    /// # Errors
    /// Names the flag.
    pub(crate) fn plan(&self, http: HttpSettings) -> Result<Option<AlertPlan>, CliError> {
        let Some(url) = &self.alert_url else {
            return Ok(None);
        };
        let (secret, warning) = self.secret()?;
        let post = AlertPost::new(url, &secret, http).map_err(|error| match error {
            AlertPostError::Url(why) => wrong("--alert-url", why),
            error => wrong("--alert-secret-file", error.to_string()),
        })?;
        let digest = self.alert_digest.as_deref();
        let digest = digest.map(|pattern| Timing::cron(pattern, &self.alert_timezone));
        let digest = digest.transpose().map_err(|invalid| {
            let flag = match invalid.field.as_str() {
                "timezone" => "--alert-timezone",
                _ => "--alert-digest",
            };
            wrong(flag, invalid.message)
        })?;
        let defaults = AlertSettings::default();
        let public = self.public_url.as_deref();
        let public = public.map(|url| url.trim_end_matches('/').to_owned());
        let settings = AlertSettings {
            remind_every: self.alert_remind.0,
            digest,
            console_url: public.as_ref().map(|url| format!("{url}/console")),
            source: public.unwrap_or_else(|| defaults.source.clone()),
            ..defaults
        };
        Ok(Some(AlertPlan {
            post,
            settings,
            warning,
        }))
    }

    /// The secret, and what is to be said of where it is kept.
    fn secret(&self) -> Result<(String, Option<String>), CliError> {
        let Some(path) = &self.alert_secret_file else {
            let secret = std::env::var(SECRET).map_err(|_| {
                let why = format!(
                    "alerts are signed, and there is no secret; give a file with one, or set {SECRET}"
                );
                wrong("--alert-secret-file", why)
            })?;
            return Ok((secret, None));
        };
        let unreadable = |source| CliError::File {
            path: path.clone(),
            source,
        };
        let secret = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut warning = None;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path).map_err(unreadable)?.permissions();
            if mode.mode() & 0o077 != 0 {
                warning = Some(format!(
                    "the file {} with the secret of alerts can be read by others; chmod 600 it",
                    path.display()
                ));
            }
        }
        Ok((secret, warning))
    }
}

fn wrong(flag: &'static str, why: String) -> CliError {
    CliError::Alerts { flag, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_are_an_interval_or_off() {
        assert_eq!(remind("off"), Ok(Remind(None)));
        assert_eq!(remind("90m"), Ok(Remind(Some(Span::from_secs(5_400)))));
        for wrong in ["", "0s", "10ms", "never", "4"] {
            assert!(remind(wrong).unwrap_err().contains("off"), "{wrong}");
        }
    }
}
