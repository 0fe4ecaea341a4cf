//! The promise, through the real program on real photos: it is killed at any moment, and every
//! answer that said `stored` is a disk hit with the same bytes afterwards.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::answer::try_send;
use crate::house::{House, PHOTOS};

const KILLS: u64 = 20;
const CLIENTS: u64 = 4;

/// What was asked for: a photo, and a seed that makes it a generation of its own.
type Asked = (&'static str, u64);

/// Numbers that look random, from a seed.
fn random(seed: u64, bound: u64) -> u64 {
    let mixed = (seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) % bound
}

fn request(house: &House, (photo, seed): Asked) -> reqwest::RequestBuilder {
    house.ask(photo, &[("quality", "1"), ("seed", &seed.to_string())])
}

/// Asks until the server is gone; notes every answer that said `stored`.
fn ask_until_the_end(house: &House, client: u64, round: u64, stored: &Mutex<Stored>) {
    for n in 0.. {
        let asked = (PHOTOS[usize::try_from(n % 5).unwrap()], round << 32 | client << 16 | n);
        let Ok(answer) = try_send(request(house, asked)) else { return };
        if answer.status == 200 && answer.cache_status().ends_with("stored") {
            stored.lock().unwrap().insert(asked, answer.body);
        }
    }
}

type Stored = HashMap<Asked, Bytes>;

#[test]
fn every_answer_that_said_stored_is_a_disk_hit_after_a_kill() {
    let mut house = House::with(&["--warm", "off"]);
    let stored = Mutex::new(Stored::new());
    let mut served = 0;
    for round in 0..KILLS {
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (house, stored) = (&house, &stored);
                scope.spawn(move || ask_until_the_end(house, client, round, stored));
            }
            let before = stored.lock().unwrap().len();
            while stored.lock().unwrap().len() < before + 2 {
                thread::yield_now();
            }
            // The moment of the kill is what is random here.
            thread::sleep(Duration::from_micros(random(round, 60_000)));
            house.kill_from_outside();
        });
        house = House::in_dir(&house.dir(), &["--warm", "off"]);
        let mut answers = stored.lock().unwrap().clone().into_iter().collect::<Vec<_>>();
        // All of the last round, and some of those before.
        answers.retain(|((_, seed), _)| seed >> 32 == round || random(*seed, 8) == 0);
        for (asked, body) in answers {
            let again = try_send(request(&house, asked)).unwrap().ok();
            assert_eq!(again.cache_status(), "meshmemo; hit; detail=disk", "{asked:?}");
            assert!(again.body == body, "{asked:?}");
            served += 1;
        }
    }
    let stored = stored.into_inner().unwrap().len();
    let told = format!(
        "{KILLS} kills of the server: {stored} answers said stored; of {served} asked for again, all \
         were disk hits with the same bytes"
    );
    writeln!(std::io::stderr().lock(), "{told}").unwrap();
    assert_eq!(house.stats()["tiers"]["disk"]["corrupt"], 0);
}
