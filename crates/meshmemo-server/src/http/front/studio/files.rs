//! The files of a job: its model, as it is and in base64, and the picture it is made of.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use meshmemo::Stored;
use meshmemo_gateway::{JobState, JobView, orfeas};
use meshmemo_gen::Format;
use tokio::task::spawn_blocking;

use super::{Studio, said};
use crate::http::answer::send;
use crate::http::front::status::around;
use crate::http::problem::Problem;

/// Characters of the name of a job, which a picture's name begins with.
const ID_CHARS: usize = 36;

impl Studio<'_> {
    /// Returns the model of a job, if it is still there, and its format.
    pub(super) async fn model(&self, job: &JobView) -> Option<(Arc<dyn Stored>, Format)> {
        let JobState::Done(done) = &job.state else { return None };
        let format = done.variant.parse().ok()?;
        let stored = match &done.held {
            Some(held) => Some(Arc::clone(held)),
            None => self.state.cache.find(done.digest, &self.own()).await,
        };
        Some((stored?, format))
    }

    /// Returns the model of a job by the name of its file.
    async fn file(&self, job: &JobView, file: &str) -> Option<Arc<dyn Stored>> {
        let (stored, format) = self.model(job).await?;
        (orfeas::output_file(&job.id, format) == file).then_some(stored)
    }

    /// Answers with a job's file.
    pub(super) async fn download(&self, job: &JobView, file: &str) -> Result<Response, Problem> {
        let Some(stored) = self.file(job, file).await else {
            return Ok(said(orfeas::words::no_file()));
        };
        let size_bytes = stored.meta().size_bytes;
        let body = send(self.state, &stored, 0..size_bytes).await?;
        let named = HeaderValue::from_str(&format!("attachment; filename={file}"));
        let octets = HeaderValue::from_static("application/octet-stream");
        let unkept = HeaderValue::from_static("no-cache, no-store, must-revalidate");
        let headers: [(HeaderName, HeaderValue); 4] = [
            (header::CONTENT_TYPE, octets),
            (header::CONTENT_LENGTH, size_bytes.into()),
            (header::CONTENT_DISPOSITION, named.expect("a job's file has a plain name")),
            (header::CACHE_CONTROL, unkept),
        ];
        Ok((headers, body).into_response())
    }

    /// Answers with a job's file in base64.
    pub(super) async fn download_in_base64(
        &self,
        job: &JobView,
        file: &str,
    ) -> Result<Response, Problem> {
        match self.file(job, file).await {
            Some(stored) => {
                let reply = orfeas::words::in_base64(file, stored.meta().size_bytes);
                around(self.state, reply, &stored).await
            }
            None => Ok(said(orfeas::words::no_file())),
        }
    }

    /// Answers with an upload, if it is here.
    pub(super) async fn preview(&self, file: &str) -> Option<Response> {
        let upload = self.state.kept_uploads.find(file.get(..ID_CHARS)?, &self.own())?;
        if upload.file_name != file {
            return None;
        }
        let (uploads, read) = (Arc::clone(&self.state.kept_uploads), Arc::clone(&upload));
        let bytes = spawn_blocking(move || uploads.read(&read)).await.ok()??;
        let named = HeaderValue::from_str(&format!("inline; filename={file}")).ok()?;
        let media_type = HeaderValue::from_str(&upload.media_type).ok()?;
        let headers = [
            (header::CONTENT_TYPE, media_type),
            (header::CONTENT_DISPOSITION, named),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        Some((headers, bytes).into_response())
    }
}
