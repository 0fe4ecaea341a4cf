//! A client of the studio, which goes through its steps at a gateway.

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::answer::{Answer, send};
use crate::gateway::Gateway;
use crate::house::read_photo;

/// A client of the studio, step by step.
impl Gateway {
    pub(crate) fn upload_request(&self, photo: &str) -> RequestBuilder {
        let part = Part::bytes(read_photo(photo).to_vec()).file_name(photo.to_owned());
        let form = Form::new().part("image", part);
        self.house.request(Method::POST, "/api/upload-image").multipart(form)
    }

    /// Uploads a photo; returns the name of its job.
    pub(crate) fn upload(&self, photo: &str) -> String {
        let answer = send(self.upload_request(photo)).ok().json();
        answer["job_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn order(&self, id: &str, fields: &Value) -> Answer {
        let mut body = json!({ "job_id": id });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.house.post("/api/generate-3d", &body)
    }

    pub(crate) fn standing(&self, id: &str) -> Answer {
        self.house.get(&format!("/api/job-status/{id}"))
    }

    /// Asks until a job has ended.
    pub(crate) fn job_end(&self, id: &str) -> Value {
        let has_ended =
            |answer: &Value| answer["status"] == "completed" || answer["status"] == "failed";
        self.house.wait_until(|_| has_ended(&self.standing(id).ok().json()));
        self.standing(id).json()
    }

    pub(crate) fn fetch(&self, id: &str, file: &str) -> Answer {
        self.house.get(&format!("/api/download/{id}/{file}"))
    }

    /// Waits until it is noted which job of the studio is under way.
    pub(crate) fn wait_until_noted(&self) {
        let path = self.house.data_dir().join("jobs/studio");
        let is_noted = |text: String| text.contains("\"job\"");
        self.house.wait_until(|_| std::fs::read_to_string(&path).is_ok_and(is_noted));
    }

    /// Goes through all steps; returns how the job ended, and the model.
    pub(crate) fn make(&self, photo: &str, fields: &Value) -> (Value, Answer) {
        let id = self.upload(photo);
        self.order(&id, fields).ok();
        let end = self.job_end(&id);
        assert_eq!(end["status"], "completed", "{end}");
        let model = self.fetch(&id, end["output_file"].as_str().unwrap()).ok();
        (end, model)
    }
}
