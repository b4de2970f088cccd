import fastifyStatic from '@fastify/static'
import fp from 'fastify-plugin'
import { packagePath } from '../services/cli/package.ts'

/** The console at `/`: exactly the files that lie in public/ when the service starts. */
export const consoleFiles = fp(async (fastify) => {
  await fastify.register(fastifyStatic, { root: packagePath('public'), wildcard: false, cacheControl: false, dotfiles: 'deny' })
}, { name: 'fastify-hub-console', fastify: '5.x' })
