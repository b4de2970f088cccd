import fastifyStatic from '@fastify/static'
import fp from 'fastify-plugin'
import { packagePath } from '../services/cli/package.ts'

/** Serves the console at `/`: the files that are in public/ when the service starts. */
export const consoleFiles = fp(async function consoleFiles (fastify) {
  await fastify.register(fastifyStatic, {
    root: packagePath('public'),
    wildcard: false,
    cacheControl: false,
    dotfiles: 'deny'
  })
}, { name: 'fastify-hub-console', fastify: '5.x' })
