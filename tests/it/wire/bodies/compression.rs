//! Compressed bodies, small ones and bombs.

use std::{io::Write as _, sync::LazyLock};

use super::{KIB, MIB, answer};

/// The decompressed size of a bomb.
const BOMB: usize = 64 * MIB;

/// A repeated deflate block of zeros, as gzip.
fn gzip_bomb() -> Vec<u8> {
    let mut block = Vec::with_capacity(MIB);
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    deflate.compress_vec(&vec![0; MIB], &mut block, flate2::FlushCompress::Full).unwrap();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // The end of the stream is missing; it is never reached.
    [&header[..], &block.repeat(BOMB / MIB)].concat()
}

/// Zeros with the largest brotli window that HTTP allows, 16 MiB.
fn brotli_bomb() -> Vec<u8> {
    brotli_of(&vec![0; BOMB], 24)
}

pub(super) fn brotli_of(bytes: &[u8], window: u32) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 2, window);
    encoder.write_all(bytes).unwrap();
    encoder.into_inner()
}

/// Run-length blocks with the largest zstd window that HTTP allows, 8 MiB (RFC 8878, RFC 9659).
fn zstd_bomb() -> Vec<u8> {
    const BLOCK: usize = 128 * KIB;
    const WINDOW_8_MIB: u8 = (23 - 10) << 3;
    let repeated = ((BLOCK as u32) << 3 | 1 << 1).to_le_bytes();
    let zeros = [repeated[0], repeated[1], repeated[2], 0];
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, WINDOW_8_MIB][..], &zeros.repeat(BOMB / BLOCK)].concat()
}

pub(super) fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 0).unwrap()
}

/// The bombs as whole responses, built once.
pub(super) fn bombs() -> [(&'static str, &'static [u8]); 3] {
    static BOMBS: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
        [("gzip", gzip_bomb()), ("br", brotli_bomb()), ("zstd", zstd_bomb())]
            .map(|(name, bomb)| answer(404, &format!("Content-Encoding: {name}\r\n"), &bomb))
    });
    let [gzip, br, zstd] = &*BOMBS;
    [("gzip", gzip), ("br", br), ("zstd", zstd)]
}
