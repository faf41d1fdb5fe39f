// Fixed-width integers, named as kernels name them. No standard headers: any clang will do.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
