#include <stdio.h>
#include <stdlib.h>
static int ei(const char *k, int d) {
  char *v = getenv(k);
  return v ? atoi(v) : d;
}
size_t cudnnGetVersion(void) {
  return ei("GPUSIM_CUDNN", 92800);
}
size_t cudnnGetCudartVersion(void) {
  return 12090;
}
size_t cudnnGetMaxDeviceVersion(void) {
  return 1210;
}
int cudnnGetProperty(int t, int *v) {
  int x = ei("GPUSIM_CUDNN", 92800);
  if (x >= 90000) {
    int a[] = {x / 10000, x / 100 % 100, x % 100};
    *v = a[t];
  } else {
    int a[] = {x / 1000, x / 100 % 10, x % 100};
    *v = a[t];
  }
  return 0;
}
int cudnnCreate(void **h) {
  int r = ei("GPUSIM_CUDNN_CREATE", 0);
  if (!r)
    *h = malloc(64);
  return r;
}
const char *cudnnGetErrorString(int s) {
  return s == 0                ? "CUDNN_STATUS_SUCCESS"
         : s == 1 || s == 1001 ? "CUDNN_STATUS_NOT_INITIALIZED"
         : s == 1002           ? "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH"
         : s == 4              ? "CUDNN_STATUS_INTERNAL_ERROR"
         : s == 6              ? "CUDNN_STATUS_ARCH_MISMATCH"
                               : "CUDNN_STATUS_STUB";
}
void cudnnGetLastErrorString(char *m, size_t n) {
  if (n)
    *m = 0;
}
