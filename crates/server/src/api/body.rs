//! Request bodies, read within their limits.

use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::problem::{Kind, Problem};

/// How much of a body that is too large is read and thrown away, as a multiple of the limit: a
/// client that is still sending would lose the answer when the connection is closed under it.
const THROWN_AWAY: u64 = 32;

/// Reads a whole body. A client that `asks_first` (with `Expect: 100-continue`) has sent nothing of
/// it yet.
pub(crate) async fn read(
    body: Body,
    limit: usize,
    within: Duration,
    asks_first: bool,
) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(within, whole(body, limit as u64, asks_first));
    read.await.unwrap_or_else(|_| {
        let seconds = within.as_secs_f32();
        let detail = format!("the body did not arrive within {seconds} s; send it faster");
        Err(Problem::new(Kind::TooSlow, detail))
    })
}

async fn whole(mut body: Body, limit: u64, asks_first: bool) -> Result<Bytes, Problem> {
    let declared = body.size_hint().lower();
    let most = limit.saturating_mul(THROWN_AWAY);
    if declared > most || (declared > limit && asks_first) {
        return Err(too_large(limit));
    }
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::field("", "the body ended before it was whole"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length > most {
            break;
        }
        if declared > limit || length > limit {
            all = BytesMut::new();
        } else if first.is_empty() && all.is_empty() {
            // Nearly every body comes in one piece, which need not be copied.
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    if length > limit {
        return Err(too_large(limit));
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn too_large(limit: u64) -> Problem {
    let detail = format!("the body is too large; expected at most {limit} bytes");
    Problem::new(Kind::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<Result<Bytes, std::io::Error>> = sizes
            .iter()
            .map(|size| Ok(Bytes::from(vec![b'x'; *size])))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn pieces_are_put_together_up_to_the_limit() {
        for (sizes, whole) in [
            (&[][..], Some(0)),
            (&[10], Some(10)),
            (&[0, 5, 0, 5], Some(10)),
            (&[3, 3, 3], Some(9)),
            (&[11], None),
            (&[5, 6], None),
            (&[5; 100], None),
        ] {
            let read = read(pieces(sizes), 10, Duration::from_secs(9), false).await;
            match read {
                Ok(bytes) => {
                    assert_eq!(Some(bytes.len()), whole, "{sizes:?}");
                    assert!(bytes.iter().all(|byte| *byte == b'x'));
                }
                Err(problem) => {
                    assert_eq!(whole, None, "{sizes:?}");
                    assert_eq!(problem.status().as_u16(), 413);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let read = read(never, 10, Duration::from_millis(20), false).await;
        assert_eq!(read.unwrap_err().status().as_u16(), 408);
    }
}
