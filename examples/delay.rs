//! A proxy that delays every byte in both directions: it simulates a network between the harness and a broker on this
//! machine. `ci/stress.sh` plays the suite through it.
//!
//!     cargo run --release --example delay -- 127.0.0.1:11883 127.0.0.1:1883 50
//!
//! listens on the first address, forwards to the second, and delays by 50 ms each way. It runs until it is killed. Once it
//! listens, it prints `ready` and its address; port 0 is a free one.

use std::error::Error;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How many reads may be in transit in one direction of a connection.
const ON_THE_WAY: usize = 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target, delay] = &arguments[..] else {
        return Err("usage: delay LISTEN TARGET MILLISECONDS".into());
    };
    let delay = Duration::from_millis(delay.parse()?);
    let listener = TcpListener::bind(listen).await?;
    println!("ready {}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(between(client, target.clone(), delay));
    }
}

/// Forwards one connection. If either side closes, the connection ends without an error.
async fn between(client: TcpStream, target: String, delay: Duration) -> std::io::Result<()> {
    let broker = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    tokio::join!(
        carry(from_client, to_broker, delay),
        carry(from_broker, to_client, delay)
    );
    Ok(())
}

/// Forwards one direction, including its end.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let read = async move {
        let mut buffer = vec![0; 64 * 1024];
        // Neither FIN nor RST has bytes: both are the end, and are delayed as bytes are.
        while let Ok(n) = from.read(&mut buffer).await {
            let due = Instant::now() + delay;
            if sender.send((due, buffer[..n].to_vec())).await.is_err() || n == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}
