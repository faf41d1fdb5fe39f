// The machine's processors, numbered from 0 in order of arrival.
#pragma once
#include "../common/types.h"

enum { MAX_CPUS = 16 };

// Processors running.
extern volatile u32 arrived;

// A program's own: where each processor but the first arrives, with its number. It halts when this returns.
void ap_main(int cpu);

// Starts the others and waits for all that come, calling `up` for each, in order; how many run then.
int start_processors(void (*up)(int cpu));
