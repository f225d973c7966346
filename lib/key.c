// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * key.c - names on disk for binary keys, and the digest that ties an xattr to its backing file
 * (docs/format.md, "Names" and "Digest").
 *
 * The first letters are those that cachefilesd takes for volumes' folders (I, J), objects (S, E, T)
 * and fan-out folders (@): it deletes whatever else it finds.
 */
#include "bits.h"
#include "bytes.h"
#include "hash.h"
#include "key.h"

#define DIGEST_TEXT (2 * FSC_DIGEST_SIZE)
#define FANOUT_TEXT 4 /* "@xx/" */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex[] = "0123456789abcdef";

/* Safe to stand in a name as it is. A space is not, for the sake of whoever looks with a shell. */
static bool is_text(uint8_t c)
{
	return c >= 0x21 && c <= 0x7e && c != '/';
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_base64url(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool all_text(struct fsc_blob key)
{
	const uint8_t *p = key.data;
	size_t i;

	for (i = 0; i < key.len; i++)
		if (!is_text(p[i]))
			return false;
	return true;
}

static size_t base64url_len(size_t len)
{
	return (len * 4 + 2) / 3;
}

static void put_base64url(struct fsc_blob key, char *out)
{
	const uint8_t *p = key.data;
	uint32_t bits = 0, nr_bits = 0;
	size_t i;

	for (i = 0; i < key.len; i++) {
		bits = (bits << 8 | p[i]) & 0xffff;
		for (nr_bits += 8; nr_bits >= 6; nr_bits -= 6)
			*out++ = base64url[bits >> (nr_bits - 6) & 63];
	}
	if (nr_bits)
		*out++ = base64url[bits << (6 - nr_bits) & 63];
}

static void put_hash(struct fsc_blob key, char out[DIGEST_TEXT])
{
	uint8_t digest[FSC_DIGEST_SIZE];
	struct fsc_hash hash;
	uint32_t i;

	fsc_hash_init(&hash);
	fsc_hash_update(&hash, key.data, key.len);
	fsc_hash_final(&hash, digest);
	for (i = 0; i < FSC_DIGEST_SIZE; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
}

/* The three forms, the first that fits: each begins with its own prefix, so none can be mistaken
 * for another. */
static size_t cook(struct fsc_blob key, const char *text, const char *encoded, const char *hashed,
		   char name[FSC_NAME_MAX + 1], bool *is_hashed)
{
	const char *prefix = text;
	size_t body = key.len, at;

	*is_hashed = false;
	if (!all_text(key) || strlen(text) + body > FSC_NAME_MAX) {
		prefix = encoded;
		body = base64url_len(key.len);
	}
	if (strlen(prefix) + body > FSC_NAME_MAX) {
		prefix = hashed;
		body = DIGEST_TEXT;
		*is_hashed = true;
	}
	at = strlen(prefix);
	memcpy(name, prefix, at);
	if (prefix == text)
		memcpy(name + at, key.data, body);
	else if (prefix == encoded)
		put_base64url(key, name + at);
	else
		put_hash(key, name + at);
	name[at + body] = 0;
	return at + body;
}

size_t fsc_key_cook_volume(struct fsc_blob key, char name[FSC_NAME_MAX + 1], bool *hashed)
{
	return cook(key, "I", "J", "J+", name, hashed);
}

size_t fsc_key_cook_object(struct fsc_blob key, char path[FSC_OBJECT_PATH_SIZE], bool *hashed)
{
	uint32_t crc = fsc_crc32c(0, key.data, key.len);

	path[0] = '@';
	path[1] = hex[crc >> 4 & 15];
	path[2] = hex[crc & 15];
	path[3] = '/';
	return FANOUT_TEXT + cook(key, "S", "E", "T", path + FANOUT_TEXT, hashed);
}

static void hash_key(struct fsc_hash *hash, struct fsc_blob key)
{
	uint8_t len = (uint8_t)key.len;

	/* With the length before it one key's end is never another's beginning. */
	FSC_ASSERT(key.len <= FSC_KEY_MAX);
	fsc_hash_update(hash, &len, 1);
	fsc_hash_update(hash, key.data, key.len);
}

void fsc_key_digest(struct fsc_blob volume, struct fsc_blob key, uint64_t ino, uint64_t btime_s,
		    uint32_t btime_ns, uint8_t out[FSC_DIGEST_SIZE])
{
	struct fsc_hash hash;
	uint8_t file[20];

	fsc_hash_init(&hash);
	fsc_hash_update(&hash, "fscache1", 8);
	hash_key(&hash, volume);
	hash_key(&hash, key);
	fsc_put64(file, ino);
	fsc_put64(file + 8, btime_s);
	fsc_put32(file + 16, btime_ns);
	fsc_hash_update(&hash, file, sizeof(file));
	fsc_hash_final(&hash, out);
}

static bool all_of(const char *s, bool (*is)(char c))
{
	for (; *s; s++)
		if (!is(*s))
			return false;
	return true;
}

static bool is_text_char(char c)
{
	return is_text((uint8_t)c);
}

bool fsc_key_is_object_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > FSC_NAME_MAX)
		return false;
	switch (name[0]) {
	case 'S':
		return all_of(name + 1, is_text_char);
	case 'E':
		/* A base64 text is never 4n + 1 characters long. */
		return (len - 1) % 4 != 1 && all_of(name + 1, is_base64url);
	case 'T':
		return len == 1 + DIGEST_TEXT && all_of(name + 1, is_hex);
	default:
		return false;
	}
}

bool fsc_key_is_fanout_name(const char *name)
{
	return strlen(name) == 3 && name[0] == '@' && all_of(name + 1, is_hex);
}

bool fsc_key_is_volume_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > FSC_NAME_MAX)
		return false;
	if (name[0] == 'I')
		return all_of(name + 1, is_text_char);
	if (name[0] != 'J')
		return false;
	if (name[1] == '+')
		return len == 2 + DIGEST_TEXT && all_of(name + 2, is_hex);
	return (len - 1) % 4 != 1 && all_of(name + 1, is_base64url);
}

bool fsc_key_is_object_path(const char *path)
{
	char fanout[FANOUT_TEXT];

	if (strlen(path) < FANOUT_TEXT || path[FANOUT_TEXT - 1] != '/')
		return false;
	memcpy(fanout, path, FANOUT_TEXT - 1);
	fanout[FANOUT_TEXT - 1] = 0;
	return fsc_key_is_fanout_name(fanout) && fsc_key_is_object_name(path + FANOUT_TEXT);
}
