//! What the demo says to the coordinator, through the public HTTP API and nothing else.

use bytes::Bytes;
use serde::Deserialize;

use super::client::{Client, NoAnswer, Reply};
use super::error::DemoError;

/// The coordinator, as its callers see it.
#[derive(Clone, Debug)]
pub(super) struct Coordinator {
    client: Client,
}

/// A saga, as far as the demo looks at it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Saga {
    /// Its id, which is the order's.
    pub(super) id: String,
    /// A word of the API: `completed`, `compensated`, `stuck`, …
    pub(super) state: String,
    /// Its steps; lists may leave them out.
    #[serde(default)]
    pub(super) steps: Vec<Step>,
}

/// A step of a [`Saga`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Step {
    /// The service's name.
    pub(super) name: String,
    /// A word of the API: `done`, `refused`, `compensated`, …
    pub(super) state: String,
}

#[derive(Deserialize)]
struct Listing {
    sagas: Vec<Saga>,
    next_cursor: Option<String>,
}

/// What became of placing an order.
#[derive(Debug)]
pub(super) enum Placed {
    /// It is taken, and will not be lost.
    Taken,
    /// Nobody knows yet, or not now: place the same order again.
    Again,
}

impl Coordinator {
    /// The coordinator at a base URL.
    pub(super) fn new(base: &str) -> Self {
        Self {
            client: Client::new(base),
        }
    }

    /// Places an order once.
    ///
    /// No answer, or a 5xx, leaves open whether the order was taken; that is what the order's id
    /// is for: placing it again is safe (R8).
    pub(super) async fn place(&self, id: &str, document: Bytes) -> Result<Placed, DemoError> {
        match self.client.post("/v1/sagas", &[], document).await {
            Ok(Reply {
                status: 200 | 201, ..
            }) => Ok(Placed::Taken),
            Err(NoAnswer(_))
            | Ok(Reply {
                status: 429 | 500..,
                ..
            }) => Ok(Placed::Again),
            Ok(Reply { status, body }) => Err(DemoError::NotTaken {
                order: id.to_owned(),
                status,
                body: String::from_utf8_lossy(&body).into_owned(),
            }),
        }
    }

    /// How many sagas are on their way. Sagas go from running to compensating and never back, so
    /// asked in this order none is overlooked; one that moves meanwhile may be counted twice.
    pub(super) async fn under_way(&self) -> Result<usize, DemoError> {
        Ok(self.count("running").await? + self.count("compensating").await?)
    }

    /// One saga; `None` if the coordinator does not know it.
    pub(super) async fn saga(&self, id: &str) -> Result<Option<Saga>, DemoError> {
        let path = format!("/v1/sagas/{id}");
        let reply = self.ask(&path).await?;
        if reply.status == 404 {
            return Ok(None);
        }
        read(path, &reply).map(Some)
    }

    async fn count(&self, state: &str) -> Result<usize, DemoError> {
        let mut count = 0;
        let mut cursor = None;
        loop {
            let from = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let path = format!("/v1/sagas?state={state}&limit=500{from}");
            let listing: Listing = read(path.clone(), &self.ask(&path).await?)?;
            count += listing.sagas.len();
            match listing.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(count),
            }
        }
    }

    async fn ask(&self, path: &str) -> Result<Reply, DemoError> {
        self.client
            .get(path)
            .await
            .map_err(|error| DemoError::Unreachable(error.to_string()))
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: String, reply: &Reply) -> Result<T, DemoError> {
    if reply.status != 200 {
        let body = String::from_utf8_lossy(&reply.body);
        return Err(DemoError::Api {
            path,
            problem: format!("status {}: {body}", reply.status),
        });
    }
    serde_json::from_slice(&reply.body).map_err(|error| DemoError::Api {
        path,
        problem: error.to_string(),
    })
}
