//! An upload: kept until a model of it is ordered, and not sent to the studio before it must be.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use meshmemo::{Digest, Error, ErrorKind};
use meshmemo_gateway::orfeas::{self, Picture};
use meshmemo_gateway::{Unclear, Upload};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::{Studio, said};
use crate::http::job::new_name;
use crate::http::problem::Problem;

impl Studio<'_> {
    /// Keeps an upload. One that the studio might refuse is for the studio.
    pub(super) async fn upload(&self, request: Request) -> Result<Response, Problem> {
        let arrived = self.receive(request).await?;
        let (headers, body) = (arrived.headers.clone(), arrived.body.clone());
        let reading = spawn_blocking(move || Picture::read(&headers, &body));
        let picture = match reading.await.map_err(|panic| unread(&panic))? {
            Ok(picture) => picture,
            Err(Unclear(why)) => {
                tracing::debug!(why, "an upload is the studio's to answer");
                return self.pass_on(arrived).await;
            }
        };
        let upload = self.keep(&picture).await?;
        Ok(said(orfeas::words::uploaded(&upload.id, &upload.file_name, &picture)))
    }

    /// Keeps a picture under a new name.
    pub(super) async fn keep(&self, picture: &Picture) -> Result<Upload, Problem> {
        let id = new_name(self.state)?;
        let Picture { original_name, base, extension, head, bytes } = picture;
        let file_name = format!("{id}_{}_{base}{extension}", self.time_of_day());
        let upload = Upload {
            id,
            namespace: self.caller.namespace().to_owned(),
            label: original_name.clone(),
            file_name,
            media_type: head.kind.media_type().to_owned(),
            digest: Digest::of(bytes).to_string(),
        };
        let (uploads, kept) = (Arc::clone(&self.state.kept_uploads), upload.clone());
        let bytes = bytes.clone();
        let keeping = spawn_blocking(move || uploads.add(kept, bytes));
        keeping.await.map_err(|panic| unread(&panic))?;
        Ok(upload)
    }

    /// Writes date and time as the studio does in names of files, in UTC.
    fn time_of_day(&self) -> String {
        let seconds = i64::try_from(self.state.clock.wall().as_secs()).unwrap_or(0);
        let now =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, (hour, minute, second)) = (now.date(), now.to_hms());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        format!("{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}")
    }
}

/// Says that a picture could not be looked at.
pub(super) fn unread(panic: &tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::BackendFailed, format!("the picture could not be read: {panic}"))
}
