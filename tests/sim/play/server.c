// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * server.c - files with all the versions that they ever had, and a server that answers for them.
 *
 * A file's bytes come in sectors, each stamped by the change that made it. So whatever mixture of
 * versions a read gives, each sector of it tells which they are.
 */
#include "play_int.h"

/* --- Content --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

static bool is_zero(const struct change *c, uint64_t pos)
{
	return c->zeroes == 1 || (c->zeroes == 2 && (pos / PLAY_GRANULE + c->stamp) % 3 == 0);
}

uint64_t stamp_seed(const struct file *f, const struct change *c)
{
	return mix(((uint64_t)f->id << 32 | c->stamp) * 0x9e3779b97f4a7c15ull);
}

/* Eight bytes at @pos, a multiple of 8; what follows is WORD_STEP more each. */
#define WORD_STEP 0x9e3779b97f4a7c15ull

static uint64_t word_at(uint64_t seed, uint64_t pos)
{
	return seed + pos / 8 * WORD_STEP;
}

/* Of the word at @pos, those bytes that lie from @pos on, at most @len; they are *@n. */
static uint64_t part_word(uint64_t seed, uint64_t pos, size_t len, size_t *n)
{
	*n = 8 - pos % 8 < len ? 8 - pos % 8 : len;
	return word_at(seed, pos) >> (pos % 8 * 8);
}

static void put_words(uint64_t seed, bool zero, uint64_t pos, uint8_t *buf, size_t len)
{
	uint64_t word;
	size_t n;

	if (zero) {
		memset(buf, 0, len);
		return;
	}
	while (len) {
		if (pos % 8 || len < 8) {
			word = part_word(seed, pos, len, &n);
			memcpy(buf, &word, n);
		} else {
			n = len - len % 8;
			word = word_at(seed, pos);
			for (size_t i = 0; i < n; i += 8, word += WORD_STEP)
				memcpy(buf + i, &word, 8);
		}
		buf += n;
		pos += n;
		len -= n;
	}
}

static bool are_words(uint64_t seed, uint64_t step, uint64_t pos, const uint8_t *buf, size_t len)
{
	uint64_t word, have, differ = 0;
	size_t n;

	for (; len && !differ; buf += n, pos += n, len -= n) {
		word = part_word(seed, pos, len, &n) & (step ? UINT64_MAX : 0);
		if (pos % 8 || len < 8) {
			differ = (uint64_t)memcmp(buf, &word, n);
			continue;
		}
		memcpy(&have, buf, 8);
		differ = have ^ word;
		n = differ ? 8 : len - len % 8;
		for (size_t i = 0; i < n; i += 8, word += step) {
			memcpy(&have, buf + i, 8);
			differ |= have ^ word;
		}
	}
	return !differ;
}

static size_t to_granule(uint64_t pos, size_t len)
{
	size_t n = PLAY_GRANULE - pos % PLAY_GRANULE;

	return n < len ? n : len;
}

void stamp_bytes(const struct file *f, const struct change *change, uint64_t pos, void *buf,
		 size_t len)
{
	uint64_t seed = stamp_seed(f, change);
	uint8_t *to = buf;

	while (len) {
		size_t n = to_granule(pos, len);

		put_words(seed, is_zero(change, pos), pos, to, n);
		to += n;
		pos += n;
		len -= n;
	}
}

bool stamp_is(const struct file *f, const struct change *change, uint64_t pos, const uint8_t *buf,
	      size_t len)
{
	uint64_t seed = stamp_seed(f, change);
	bool same = true;
	size_t n;

	for (; same && len; buf += n, pos += n, len -= n) {
		n = to_granule(pos, len);
		same = are_words(seed, is_zero(change, pos) ? 0 : WORD_STEP, pos, buf, n);
	}
	return same;
}

/* The change that @pos has its bytes from in @version, and up to where that is so at most @end. */
const struct change *stamp_at(const struct file *f, uint32_t version, uint64_t pos, uint64_t *end)
{
	for (uint32_t v = version; v; v--) {
		const struct change *c = &f->changes[v - 1];

		if (c->start <= pos && pos < c->end) {
			*end = c->end < *end ? c->end : *end;
			return c;
		}
		if (c->start > pos && c->start < *end)
			*end = c->start;
	}
	return NULL;
}

uint64_t file_size(const struct file *f, uint32_t version)
{
	return f->changes[version - 1].size;
}

void file_bytes(const struct file *f, uint32_t version, uint64_t pos, void *buf, size_t len)
{
	uint64_t end = pos + len, size = file_size(f, version), next;
	uint8_t *to = buf;

	for (; pos < end; to += next - pos, pos = next) {
		const struct change *c;

		next = pos < size && size < end ? size : end;
		c = pos < size ? stamp_at(f, version, pos, &next) : NULL;
		if (c)
			stamp_bytes(f, c, pos, to, (size_t)(next - pos));
		else
			memset(to, 0, (size_t)(next - pos));
	}
}

/* --- Changes --------------------------------------------------------------------------------- */

uint64_t server_now_us(struct play *p)
{
	p->now_us = p->base_us + sim_now_us();
	return p->now_us;
}

static struct change new_change(struct play *p, const struct file *f, uint64_t start, uint64_t end,
				uint64_t size, uint8_t zeroes)
{
	uint64_t old = f->version ? file_size(f, f->version) : 0;
	struct change c = { .stamp = ++p->last_stamp, .size = size, .zeroes = zeroes };

	/* What a file gains at its end is new, too. */
	if (size > old) {
		start = start < end && start < old ? start : old;
		end = end > size ? end : size;
	}
	c.start = start - start % PLAY_SECTOR;
	c.end = (end + PLAY_SECTOR - 1) / PLAY_SECTOR * PLAY_SECTOR;
	return c;
}

static uint32_t add_version(struct play *p, struct file *f, const struct change *c)
{
	struct change *to = &f->changes[f->version++];

	*to = *c;
	to->tick = server_now_us(p) / (p->tick_ms * 1000ull);
	play_note(p, f, "the server: version %u, stamp %u in %llu..%llu, size %llu, tick %llu%s",
		  f->version, c->stamp, (unsigned long long)c->start, (unsigned long long)c->end,
		  (unsigned long long)c->size, (unsigned long long)to->tick,
		  c->zeroes ? ", with zeroes" : "");
	return f->version;
}

void server_change(struct play *p, struct file *f, uint64_t start, uint64_t end, uint64_t size,
		   uint8_t zeroes)
{
	struct change c;

	/* Some are left for what was begun by clients. */
	if (f->version + 2 * PLAY_PENDING > PLAY_VERSIONS)
		return;
	c = new_change(p, f, start, end, size, zeroes);
	add_version(p, f, &c);
}

/* Refused ones stay while a read may still show their bytes. */
static void forget_voided(struct play *p, struct file *f)
{
	uint32_t oldest = UINT32_MAX, n = 0;

	for (const struct look *l = p->looks; l; l = l->next)
		if (l->file == f && l->seq < oldest)
			oldest = l->seq;
	for (uint32_t i = 0; i < f->nr_pending; i++)
		if (!f->pending[i].voided || f->pending[i].voided > oldest)
			f->pending[n++] = f->pending[i];
	f->nr_pending = n;
}

uint32_t server_write_begin(struct play *p, struct file *f, uint64_t start, uint64_t end,
			    uint64_t size, uint8_t zeroes)
{
	forget_voided(p, f);
	if (f->nr_pending == PLAY_PENDING || f->version + PLAY_PENDING > PLAY_VERSIONS)
		return 0;
	f->pending[f->nr_pending] = new_change(p, f, start, end, size, zeroes);
	play_note(p, f, "local write begins: stamp %u", f->pending[f->nr_pending].stamp);
	return f->pending[f->nr_pending++].stamp;
}

const struct change *server_pending(const struct file *f, uint32_t stamp)
{
	for (uint32_t i = 0; i < f->nr_pending; i++)
		if (f->pending[i].stamp == stamp)
			return &f->pending[i];
	return NULL;
}

static void server_latency(struct play *p)
{
	if (sim_chance(2))
		sim_sleep_us(sim_random((uint32_t)p->server_latency_us + 1));
}

static bool server_fails(struct play *p)
{
	return p->server_bad && sim_chance(p->server_one_in);
}

uint32_t server_write_sent(struct play *p, struct file *f, uint32_t stamp)
{
	struct change *c;
	uint32_t version;

	server_latency(p);
	c = (struct change *)server_pending(f, stamp);
	if (server_fails(p)) {
		play_note(p, f, "the server refuses stamp %u", stamp);
		server_latency(p);
		return 0;
	}
	version = add_version(p, f, c);
	*c = f->pending[--f->nr_pending];
	server_latency(p);
	return version;
}

uint32_t server_write_part(struct play *p, struct file *f, uint32_t stamp, uint64_t end, bool all)
{
	struct change *pending = (struct change *)server_pending(f, stamp), c = *pending;
	uint64_t size = file_size(f, f->version);

	/* Others may have made it longer meanwhile. */
	c.size = end < c.size ? end : c.size;
	c.size = size > c.size ? size : c.size;
	c.end = end < c.end ? end : c.end; /* in the last sector it may not write all */
	if (all)
		*pending = f->pending[--f->nr_pending];
	return add_version(p, f, &c);
}

void server_write_refused(struct play *p, struct file *f, uint32_t stamp)
{
	struct change *c = (struct change *)server_pending(f, stamp);

	c->voided = ++p->seq;
}

void server_write_answered(struct play *p, struct file *f, uint32_t version)
{
	f->changes[version - 1].answered = ++p->seq;
}

/* --- Answers --------------------------------------------------------------------------------- */

void server_attr(struct play *p, const struct file *f, uint32_t version, struct attr *attr)
{
	uint64_t value = p->coherency == COH_COUNTER ? version :
			 p->coherency == COH_TICK    ? f->changes[version - 1].tick :
						       0x7e57;

	memset(attr, 0, sizeof(*attr));
	attr->version = version;
	attr->size = file_size(f, version);
	attr->coherency_len = p->coherency_len;
	memcpy(attr->coherency, &value, sizeof(value));
	/* Whatever lies behind counts, too. */
	for (size_t i = sizeof(value); i < p->coherency_len; i++)
		attr->coherency[i] = (uint8_t)(value * 31 + i);
}

bool server_getattr(struct play *p, struct file *f, struct attr *attr)
{
	uint64_t now, changed;

	server_latency(p);
	if (server_fails(p))
		return false;
	server_attr(p, f, f->version, attr);
	server_latency(p);
	/* docs/design.md, "Changes within one clock tick": what was asked for until a tick and a
	 * margin after the answer came may be of a later version with the same time. */
	now = server_now_us(p);
	changed = f->changes[attr->version - 1].tick * p->tick_ms * 1000ull;
	if (p->coherency == COH_TICK && now - changed < 10000000)
		attr->keep_after_ms = fsc_clock_ms() + 2 * p->tick_ms;
	return true;
}

struct fsc_cookie_params attr_params(const struct file *f, const struct attr *attr)
{
	return (struct fsc_cookie_params){
		.key = { f->key, f->key_len },
		.coherency = { attr->coherency, attr->coherency_len },
		.size = attr->size,
		.keep_after_ms = attr->keep_after_ms,
	};
}

int64_t server_answer(struct play *p, struct file *f, uint32_t version, uint64_t pos, void *buf,
		      size_t len)
{
	uint64_t size = file_size(f, version), left = pos < size ? size - pos : 0;

	if (server_fails(p)) {
		f->errors++;
		play_note(p, f, "the server fails a read at %llu", (unsigned long long)pos);
		return p->server_error;
	}
	if (left < len)
		len = (size_t)left;
	if (len > 1 && p->server_bad && sim_chance(p->server_short_one_in))
		len = 1 + sim_random((uint32_t)len - 1);
	file_bytes(f, version, pos, buf, len);
	play_note(p, f, "the server answers %llu..%llu of version %u", (unsigned long long)pos,
		  (unsigned long long)(pos + len), version);
	return (int64_t)len;
}

void server_asked(struct play *p, struct file *f, uint64_t pos, uint64_t len)
{
	if (f->nr_asked < PLAY_ASKED)
		f->asked[f->nr_asked] = (struct asked){ pos, pos + len };
	f->nr_asked++;
	for (struct look *l = p->looks; l; l = l->next)
		if (l->file == f && pos < l->pos + l->len && l->pos < pos + len)
			l->served = true;
}

void server_answered(struct file *f, uint64_t pos, uint64_t len)
{
	uint32_t n = f->nr_asked-- < PLAY_ASKED ? f->nr_asked + 1 : PLAY_ASKED;

	for (uint32_t i = 0; i < n; i++) {
		if (f->asked[i].start != pos || f->asked[i].end != pos + len)
			continue;
		f->asked[i] = f->asked[n - 1];
		break;
	}
}

bool server_is_asked(const struct file *f, uint64_t pos, uint64_t len)
{
	/* More than are noted: it may be. */
	for (uint32_t i = 0; i < f->nr_asked; i++)
		if (i >= PLAY_ASKED || (f->asked[i].start < pos + len && pos < f->asked[i].end))
			return true;
	return false;
}

int64_t server_read(struct play *p, struct file *f, uint64_t pos, void *buf, size_t len)
{
	int64_t n;

	server_asked(p, f, pos, len);
	server_latency(p);
	n = server_answer(p, f, f->version, pos, buf, len);
	server_latency(p);
	server_answered(f, pos, len);
	return n;
}
