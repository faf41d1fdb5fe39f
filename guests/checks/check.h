// Rules that a guest checks by itself: one line of output each.
#pragma once
#include "../common/types.h"

// "ok" and the rule, or "FAIL" with what came.
void check(const char *rule, u64 got, u64 wanted);
