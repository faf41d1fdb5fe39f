// Text on the first serial port.
#pragma once
#include "types.h"

void print(const char *text);
void print_number(u64 value);
