//! The admin endpoint on real sockets, with hostile clients.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::super::own_thread;
use super::connections::MOST_OF_A_CLIENT;
use super::*;

/// Serves on a thread of its own, with this many series, and returns the address.
fn serving(series: usize) -> SocketAddr {
    let mut registry = Registry::default();
    let family = Family::<Vec<(String, String)>, Gauge>::default();
    for number in 0..series {
        family.get_or_create(&vec![("number".to_owned(), format!("{number:0100}"))]).set(1);
    }
    registry.register("many", "Series", family);
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let served = serve(address, (Health::default(), Rights::complete()), Heartbeat::new(), registry).unwrap();
    own_thread::start("admin").unwrap().spawn(served);
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// The status line of the response, and the time it took.
fn get(address: SocketAddr, path: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = connect(address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text.lines().next().unwrap_or_default().to_owned(), begun.elapsed())
}

fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn thousand_half_open_clients_leave_room_for_probes() {
    let address = serving(1);
    let half = format!("GET /livez HTTP/1.1\r\nX-Padding: {}", "a".repeat(8_000));
    let clients: Vec<_> = (0..1000)
        .map(|_| {
            let mut client = connect(address);
            // Fails if the connection was closed in favour of a newer one.
            let _ = client.write_all(half.as_bytes());
            client
        })
        .collect();
    let (status, took) = get(address, "/livez");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let open = clients.iter().filter(|client| is_open(client)).count();
    assert!(open <= MOST_OF_A_CLIENT, "{open} are still open");
}

#[test]
fn client_that_never_ends_its_head_is_cut_off() {
    let address = serving(1);
    let mut slow = connect(address);
    slow.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
    let mut huge = connect(address);
    let _ = huge.write_all(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(100_000)).as_bytes());
    let mut answer = String::new();
    let _ = huge.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut nothing = Vec::new();
    slow.read_to_end(&mut nothing).expect("the connection is closed before the read timeout");
}

#[test]
fn slow_readers_hold_few_scrapes_and_no_probe() {
    let address = serving(100_000);
    let readers: Vec<_> = (0..MOST_OF_A_CLIENT)
        .map(|_| {
            let mut reader = connect(address);
            write!(reader, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            reader
        })
        .collect();
    let (status, took) = get(address, "/livez");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let mut refused = 0;
    for mut reader in readers {
        let mut head = [0; 12];
        if reader.read_exact(&mut head).is_ok() && head == *b"HTTP/1.1 429" {
            refused += 1;
        }
    }
    assert!(refused >= MOST_OF_A_CLIENT - 1 - SCRAPES_OF_A_CLIENT, "{refused} refused");
}

/// The thread of this test takes the place of reconciles that keep their thread busy for seconds.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // the test blocks its thread on purpose
async fn busy_event_loop_delays_no_answer() {
    let address = serving(1);
    let probe = std::thread::spawn(move || get(address, "/livez"));
    std::thread::sleep(Duration::from_secs(2));
    let (status, took) = probe.join().unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn any_address_of_ipv6_takes_ipv4_too() {
    let listener = server::listen("[::]:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    TcpStream::connect(("127.0.0.1", port)).expect("by IPv4");
}
