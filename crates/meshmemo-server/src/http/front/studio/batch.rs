//! A batch: an upload and a job for each picture. Those that are alike cost one generation.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use meshmemo_gateway::Unclear;
use meshmemo_gateway::orfeas::{self, Batch};
use tokio::task::spawn_blocking;

use super::upload::unread;
use super::{Arrived, Studio, said};
use crate::body_budget::BodyBudget;
use crate::http::problem::Problem;

impl Studio<'_> {
    /// Takes a batch. One that the studio might refuse, in whole or in part, is for the studio.
    pub(super) async fn batch(&self, request: Request) -> Result<Response, Problem> {
        let arrived = self.receive(request).await?;
        let (headers, body) = (arrived.headers.clone(), arrived.body.clone());
        let reading = spawn_blocking(move || Batch::read(&headers, &body));
        let batch = match reading.await.map_err(|panic| unread(&panic))? {
            Ok(batch) => batch,
            Err(Unclear(why)) => {
                tracing::debug!(why, "a batch is the studio's to answer");
                return self.pass_on(arrived).await;
            }
        };
        let Batch { pictures, order, estimated_seconds } = batch;
        let Arrived { headers, sent_on, mut share, .. } = arrived;
        share.shrink_to(pictures.iter().map(|picture| picture.bytes.len() as u64).sum());
        let share = Arc::new(share);
        let mut ids = Vec::new();
        for picture in pictures {
            let upload = self.keep(&picture).await?;
            let photo = BodyBudget::hold(picture.bytes, Arc::clone(&share));
            let begun = self.begin((&upload, photo), &order, (&headers, sent_on.clone())).await;
            match begun {
                Ok(()) => {}
                Err(error) if ids.is_empty() => return Err(error.into()),
                // The others are under way: this one is told of when it is asked after.
                Err(error) => self.note_failure(&upload, &error).await?,
            }
            ids.push(upload.id);
        }
        Ok(said(orfeas::words::batch(&ids, estimated_seconds)))
    }

    async fn note_failure(
        &self,
        upload: &meshmemo_gateway::Upload,
        error: &meshmemo::Error,
    ) -> Result<(), Problem> {
        let nothing = meshmemo::Key::from_bytes([0; 32]);
        let id = upload.id.clone();
        let job = self.state.jobs.take(self.caller.namespace(), nothing, None, id).await?;
        job.failed(error.to_string()).await;
        Ok(())
    }
}
