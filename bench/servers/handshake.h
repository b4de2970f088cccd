// The server's half of the opening handshake (RFC 6455, 4.2.2), which needs SHA-1 (RFC 3174) and base64 (RFC 4648).
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotated (uint32_t value, int by) { return value << by | value >> (32 - by); }

// Of up to 119 bytes, which is two blocks with their padding.
static void sha1 (const char *message, size_t size, uint8_t digest[20]) {
  uint32_t hash[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
  uint8_t blocks[128] = { 0 };
  size_t end = size < 56 ? 64 : 128;
  memcpy(blocks, message, size);
  blocks[size] = 0x80;
  blocks[end - 2] = (uint8_t) (size * 8 >> 8);
  blocks[end - 1] = (uint8_t) (size * 8);
  for (uint8_t *block = blocks; block < blocks + end; block += 64) {
    uint32_t w[80], a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (int t = 0; t < 16; t++) w[t] = (uint32_t) block[4 * t] << 24 | (uint32_t) block[4 * t + 1] << 16 | (uint32_t) block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 80; t++) w[t] = rotated(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
      uint32_t f = t < 20 ? ((b & c) | (~b & d)) + 0x5a827999
        : t < 40 ? (b ^ c ^ d) + 0x6ed9eba1
        : t < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
        : (b ^ c ^ d) + 0xca62c1d6;
      uint32_t next = rotated(a, 5) + f + e + w[t];
      e = d; d = c; c = rotated(b, 30); b = a; a = next;
    }
    hash[0] += a; hash[1] += b; hash[2] += c; hash[3] += d; hash[4] += e;
  }
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t) (hash[i / 4] >> (24 - i % 4 * 8));
}

static void base64 (const uint8_t digest[20], char encoded[29]) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t padded[21] = { 0 };
  memcpy(padded, digest, 20);
  for (int i = 0; i < 7; i++) {
    uint32_t three = (uint32_t) padded[3 * i] << 16 | (uint32_t) padded[3 * i + 1] << 8 | padded[3 * i + 2];
    for (int j = 0; j < 4; j++) encoded[4 * i + j] = alphabet[three >> (18 - 6 * j) & 63];
  }
  encoded[27] = '=';
  encoded[28] = 0;
}

// Writes the response to an upgrade request; returns its length, or -1 for a request without a key.
static int handshake (const char *request, char *answer, size_t size) {
  char key[25], joined[64], accept[29];
  uint8_t digest[20];
  const char *header = strcasestr(request, "\r\nsec-websocket-key:");
  if (header == NULL || sscanf(header + 20, " %24[^\r]", key) != 1) return -1;
  int length = snprintf(joined, sizeof joined, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  sha1(joined, (size_t) length, digest);
  base64(digest, accept);
  return snprintf(answer, size, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
}
