// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* measure.c - slices, medians and the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_die(const char *what, int err)
{
	fprintf(stderr, "fsc-bench: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t count, double q)
{
	double at = q * (double)(count - 1);
	size_t i = (size_t)at;

	if (i + 1 >= count)
		return sorted[count - 1];
	return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

double bench_median(double *values, size_t count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	return quantile(values, count, 0.5);
}

void meter_begin(struct meter *m, double seconds, double *lat_room)
{
	m->ops = 0;
	m->lat = lat_room;
	m->nr_lat = 0;
	m->cpu_ns = bench_cpu_ns();
	m->begin_ns = bench_now_ns();
	m->end_ns = m->begin_ns + (uint64_t)(seconds * 1e9);
}

bool meter_on(struct meter *m)
{
	return bench_now_ns() < m->end_ns;
}

void meter_lat(struct meter *m, uint64_t ns)
{
	if (m->nr_lat < METER_LATENCIES)
		m->lat[m->nr_lat++] = (double)ns;
}

void meter_end(struct meter *m, struct slice *out)
{
	double ns = (double)(bench_now_ns() - m->begin_ns);
	double cpu = (double)(bench_cpu_ns() - m->cpu_ns);
	double ops = m->ops ? (double)m->ops : 1;

	out->ops_per_s = ops * 1e9 / ns;
	out->cpu_ns = cpu / ops;
	out->median_ns = bench_median(m->lat, m->nr_lat);
}

/* --- Comparing -------------------------------------------------------------------------------- */

enum figure { OPS, CPU, LATENCY, FIGURES };

static double figure_of(const struct slice *s, enum figure f)
{
	return f == OPS ? s->ops_per_s : f == CPU ? s->cpu_ns : s->median_ns;
}

static void print_figure(const char *title, const struct contender *con, size_t count,
			 struct slice *const *slices, unsigned int pairs, enum figure f)
{
	static const char *const names[] = { "ops/s", "CPU ns/op", "median latency ns" };
	double *v = calloc(pairs, sizeof(*v)), *r = calloc(pairs, sizeof(*r));
	size_t c;
	unsigned int i;

	for (c = 0; c < count; c++) {
		for (i = 0; i < pairs; i++) {
			v[i] = figure_of(&slices[c][i], f);
			r[i] = v[i] / figure_of(&slices[1][i], f);
		}
		qsort(v, pairs, sizeof(*v), compare);
		qsort(r, pairs, sizeof(*r), compare);
		printf("%-22s %-17s %-16s %12.1f [%.1f .. %.1f]  ratio %.3f [%.3f .. %.3f]\n",
		       title, names[f], con[c].name, quantile(v, pairs, .5), quantile(v, pairs, .25),
		       quantile(v, pairs, .75), quantile(r, pairs, .5), quantile(r, pairs, .25),
		       quantile(r, pairs, .75));
	}
	free(v);
	free(r);
}

void bench_compare(const struct bench_opts *opts, const char *title, struct contender *con,
		   size_t count)
{
	struct slice **slices = calloc(count, sizeof(*slices));
	struct slice warm;
	unsigned int i;
	size_t c, k;

	for (c = 0; c < count; c++) {
		slices[c] = calloc(opts->pairs, sizeof(**slices));
		con[c].run(con[c].arg, opts->seconds, &warm);
	}
	/* There and back again: nobody always comes first. */
	for (i = 0; i < opts->pairs; i++)
		for (k = 0; k < count; k++) {
			c = i % 2 ? count - 1 - k : k;
			con[c].run(con[c].arg, opts->seconds, &slices[c][i]);
		}
	print_figure(title, con, count, slices, opts->pairs, OPS);
	print_figure(title, con, count, slices, opts->pairs, CPU);
	if (slices[0][0].median_ns > 0)
		print_figure(title, con, count, slices, opts->pairs, LATENCY);
	for (c = 0; c < count; c++)
		free(slices[c]);
	free(slices);
	fflush(stdout);
}
