//! The rows of the table, as `table.yaml` has them.

use serde::Deserialize;
use settled_transaction::{HookScopes, Settings};

use crate::faults::{self, Fault};
use crate::program::{self, Block};
use crate::recorded::Lacks;
use crate::scopes::duration;

/// One part of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its letter.
    pub section: String,
    /// What it is about.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its number; letters tell the variants of one case apart.
    pub case: String,
    /// What it is.
    pub is: String,
    /// Why it cannot be here.
    pub not_here: Option<String>,
    /// What is run.
    #[serde(default)]
    pub program: String,
    /// What the manager is set to.
    #[serde(default)]
    pub settings: Set,
    /// What is to come of it.
    #[serde(default)]
    pub expect: Expect,
    /// What is to come of it on SQLite, where that is something else.
    pub sqlite: Option<Expect>,
    /// The same on PostgreSQL.
    pub postgres: Option<Expect>,
    /// The same on PostgreSQL by `tokio-postgres`.
    pub tokio_postgres: Option<Expect>,
    /// The same on MariaDB.
    pub mariadb: Option<Expect>,
    /// How it differs from Spring, and why.
    pub deviates: Option<String>,
}

/// What is to come of a program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Why this database is left out.
    pub skip: Option<String>,
    /// What the outermost caller gets.
    pub ret: String,
    /// What a fresh connection sees afterwards.
    pub rows: String,
    /// What was sent. A star is anything.
    pub ops: String,
    /// How many connections were held at one time.
    pub k: usize,
    /// What was told, by hooks and by words.
    pub told: String,
    /// Why it is something else on this database.
    pub why: Option<String>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            skip: None,
            ret: "Ok".to_owned(),
            rows: String::new(),
            ops: String::new(),
            k: 0,
            told: String::new(),
            why: None,
        }
    }
}

/// What a row sets, apart from the defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Set {
    /// How many connections the pool has; four where it is not said.
    pub pool: Option<u32>,
    /// See [`Settings::reserve`].
    pub reserve: Option<u32>,
    /// See [`Settings::hooks`].
    pub hooks: Option<String>,
    /// See [`Settings::nested`].
    pub nested: Option<bool>,
    /// See [`Settings::suspension`].
    pub suspension: Option<bool>,
    /// See [`Settings::validate_existing`].
    pub validate_existing: Option<bool>,
    /// See [`Settings::doom_on_participation_failure`].
    pub doom_on_participation_failure: Option<bool>,
    /// See [`Settings::fail_early`].
    pub fail_early: Option<bool>,
    /// See [`Settings::roll_back_on_commit_failure`].
    pub roll_back_on_commit_failure: Option<bool>,
    /// See [`Settings::timeout_at_commit`].
    pub timeout_at_commit: Option<bool>,
    /// See [`Settings::drop_hooks_with_savepoint`].
    pub drop_hooks_with_savepoint: Option<bool>,
    /// See [`Settings::default_timeout`].
    pub default_timeout: Option<String>,
    /// What is made to fail.
    pub inject: Vec<String>,
    /// What the database is made to lack.
    pub lacks: Vec<String>,
    /// Whether the manager's events are told.
    pub observe: bool,
}

impl Set {
    /// As settings of a manager.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn settings(&self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let switches = [
            (&mut settings.nested, self.nested),
            (&mut settings.suspension, self.suspension),
            (&mut settings.validate_existing, self.validate_existing),
            (
                &mut settings.doom_on_participation_failure,
                self.doom_on_participation_failure,
            ),
            (&mut settings.fail_early, self.fail_early),
            (
                &mut settings.roll_back_on_commit_failure,
                self.roll_back_on_commit_failure,
            ),
            (&mut settings.timeout_at_commit, self.timeout_at_commit),
            (
                &mut settings.drop_hooks_with_savepoint,
                self.drop_hooks_with_savepoint,
            ),
        ];
        for (switch, set) in switches {
            *switch = set.unwrap_or(*switch);
        }
        settings.reserve = self.reserve.unwrap_or(settings.reserve);
        settings.default_timeout = self.default_timeout.as_deref().map(duration).transpose()?;
        settings.hooks = match self.hooks.as_deref() {
            None => settings.hooks,
            Some("in_transactions") => HookScopes::InTransactions,
            Some("never") => HookScopes::Never,
            Some(other) => return Err(format!("`hooks: {other}`")),
        };
        Ok(settings)
    }

    /// What is made to fail.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn faults(&self) -> Result<Vec<Fault>, String> {
        self.inject
            .iter()
            .map(|fault| faults::parse(fault))
            .collect()
    }

    /// What the database is made to lack.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn lacking(&self) -> Result<Lacks, String> {
        let mut lacks = Lacks::default();
        for lacking in &self.lacks {
            match lacking.as_str() {
                "savepoints" => lacks.savepoints = true,
                "isolations" => lacks.isolations = true,
                other => return Err(format!("`lacks: {other}`")),
            }
        }
        Ok(lacks)
    }

    /// In words, for people; empty where it is all as by default.
    pub fn shown(&self) -> String {
        let mut shown = Vec::new();
        let mut say = |name: &str, value: Option<String>| {
            shown.extend(value.map(|value| format!("{name}: {value}")));
        };
        let text = |switch: Option<bool>| switch.map(|switch| switch.to_string());
        say("pool", self.pool.map(|size| size.to_string()));
        say("reserve", self.reserve.map(|size| size.to_string()));
        say("hooks", self.hooks.clone());
        say("nested", text(self.nested));
        say("suspension", text(self.suspension));
        say("validate_existing", text(self.validate_existing));
        say(
            "doom_on_participation_failure",
            text(self.doom_on_participation_failure),
        );
        say("fail_early", text(self.fail_early));
        say(
            "roll_back_on_commit_failure",
            text(self.roll_back_on_commit_failure),
        );
        say("timeout_at_commit", text(self.timeout_at_commit));
        say(
            "drop_hooks_with_savepoint",
            text(self.drop_hooks_with_savepoint),
        );
        say("default_timeout", self.default_timeout.clone());
        shown.extend(self.inject.iter().cloned());
        shown.extend(self.lacks.iter().map(|lacking| format!("no {lacking}")));
        shown.join(", ")
    }
}

impl Row {
    /// Its program.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn block(&self) -> Result<Block, String> {
        program::parse(&self.program)
    }

    /// What is to come of it on the database that goes by these names.
    pub fn expected(&self, keys: &[&str]) -> &Expect {
        let own = |key: &&str| match *key {
            "sqlite" => self.sqlite.as_ref(),
            "postgres" => self.postgres.as_ref(),
            "tokio_postgres" => self.tokio_postgres.as_ref(),
            "mariadb" => self.mariadb.as_ref(),
            _ => None,
        };
        keys.iter().find_map(own).unwrap_or(&self.expect)
    }

    /// Where something else is to come of it, and what.
    pub fn differs(&self) -> impl Iterator<Item = (&'static str, &Expect)> {
        [
            ("SQLite", &self.sqlite),
            ("PostgreSQL", &self.postgres),
            ("tokio-postgres", &self.tokio_postgres),
            ("MariaDB", &self.mariadb),
        ]
        .into_iter()
        .filter_map(|(name, expect)| Some((name, expect.as_ref()?)))
    }
}

/// Reads the table.
///
/// # Errors
/// What is wrong with it.
pub fn read() -> Result<Vec<Section>, String> {
    let text = include_str!("../table.yaml");
    serde_yaml_ng::from_str(text).map_err(|error| format!("table.yaml: {error}"))
}
