//! What the command line must not do: destroy what it is pointed at, or give a key away.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::Command;
use std::thread;

use crate::desk::Desk;

#[test]
fn what_a_link_points_to_is_written_and_the_link_stays() {
    let desk = Desk::new();
    let photo = desk.copy("horse.png", "horse.png");
    fs::write(desk.path("target.glb"), "old").unwrap();
    symlink("target.glb", desk.path("link.glb")).unwrap();
    desk.run(&["generate", &photo, "-o", "link.glb", "--quality", "1"]).ok();
    assert!(fs::symlink_metadata(desk.path("link.glb")).unwrap().is_symlink());
    assert!(desk.is_glb("target.glb"));
}

#[test]
fn a_pipe_is_written_to_and_stays_a_pipe() {
    let desk = Desk::new();
    let photo = desk.copy("horse.png", "horse.png");
    let pipe = desk.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Held open from this side too, the pipe ends when it is dropped, whatever the command did.
    let held = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let mut reader = BufReader::new(fs::File::open(&pipe).unwrap());
    let reading = thread::spawn(move || {
        let mut read = Vec::new();
        reader.read_to_end(&mut read).map(|_| read)
    });
    let args = ["generate", &photo, "-o", "pipe", "--format", "glb", "--quality", "1"];
    desk.run(&args).ok();
    drop(held);
    let read = reading.join().unwrap().unwrap();
    assert!(read.starts_with(b"glTF"));
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_key_does_not_follow_a_redirect() {
    let desk = Desk::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let target = elsewhere.local_addr().unwrap();
    let redirect = thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n";
        write!(client, "{head}Location: http://{target}/api/cache/stats\r\n\r\n").unwrap();
        let _rest = client.read(&mut [0; 1]);
    });
    let said = desk.run(&["stats", "--url", &url, "--api-key", "SENTINEL"]).failed(1);
    assert!(said.contains("302"), "{said}");
    redirect.join().unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "nobody has come to the other server");
}
