export { openHaproxyPlane } from './haproxy-plane.ts';
